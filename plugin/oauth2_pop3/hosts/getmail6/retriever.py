"""The retriever type ``oauth2-pop3`` of getmail6 (6.18 and later).

getmail acts on the errors that a retriever raises. A getmailConfigurationError anywhere, or any error in the
constructor, makes it skip every rc file that comes after. So the constructor takes options as text, and initialize()
reads them: a getmailOperationError there is one line on standard error and exit code 127, and getmail continues with
the next rc file. Only this folder uses getmailcore.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from getmailcore._retrieverbases import POP3RetrieverBase, RetrieverSkeleton
from getmailcore.exceptions import getmailOperationError, getmailRetrievalError
from getmailcore.message import Message
from getmailcore.utilities import localhostname

from oauth2_pop3.accounts.account import load_account
from oauth2_pop3.errors import OAuth2Pop3Error, Pop3Error
from oauth2_pop3.hosts.getmail6.conf_items import CONF_ITEMS
from oauth2_pop3.hosts.getmail6.errors import errors_of_getmail
from oauth2_pop3.hosts.getmail6.message import message_from, recipient_of
from oauth2_pop3.hosts.getmail6.options import read_options
from oauth2_pop3.hosts.getmail6.order import expected
from oauth2_pop3.hosts.getmail6.progress import Progress
from oauth2_pop3.hosts.getmail6.seen_messages import SeenMessages
from oauth2_pop3.hosts.getmail6.seen_names import ListedNames
from oauth2_pop3.hosts.getmail6.sign_in import sign_in
from oauth2_pop3.pop3.maildrop import MaildropServer
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.retrieval.outstanding import Id
from oauth2_pop3.retrieval.retrieval import Retrieval


class OAuth2POP3Retriever(POP3RetrieverBase):
    """POP3 with OAuth 2.0. options.py lists the options."""

    received_from: str | None = None
    _seen: SeenMessages | None = None  # stays None without unique-ids: no message is recognised in the next session
    received_with = "POP3-SSL"
    received_by = localhostname()
    _confitems: ClassVar[tuple[Any, ...]] = CONF_ITEMS

    def __str__(self) -> str:
        """The name by which getmail's messages call this retriever."""
        name = f"oauth2-pop3:{self.conf.get('username') or ''}"
        server = self.conf.get("server")  # before initialize() asks the provider, only the file can tell
        return f"{name}@{server}:{self.conf.get('port') or ''}" if server else name

    def showconf(self) -> None:
        """Print the options, for getmail --dump."""
        self.log.info(f"oauth2-pop3({self._confstring()})\n")

    # -- signing in

    def initialize(self, options: Mapping[str, Any]) -> None:
        """Connect and sign in."""
        self.mailboxes = (None,)  # POP3 has only one
        self._progress = Progress(self.log, str(self.conf.get("username")))
        self._names = ListedNames()
        self._taken_back: set[Id] = set()
        with errors_of_getmail():
            self._options = read_options(self.conf)
            for name in self._options.superfluous:
                self._warn(f"{name} has no effect with type = oauth2-pop3; remove it from the file")
            self._account = load_account(self._options.account)
            server = self._options.maildrop_server(self._account.provider)
            # The name of the seen-file is made of these three. If they stay the same, getmail keeps using the file.
            self.conf.update(server=server.host, port=server.port, timeout=self._options.timeout)
            RetrieverSkeleton.initialize(self, options)
            if self._options.unique_ids:
                self._seen = SeenMessages(Path(self.oldmail_filename), options, self._warn)
            self.conn: Retrieval | None = self._retrieval(server)
            self.received_with = "POP3" if server.allow_insecure_loopback else "POP3-SSL"
            self.remoteaddr = "{}:{}".format(*self.conn.session.peer)
            self.received_from = f"{server.host} ({self.remoteaddr})"

    def _retrieval(self, server: MaildropServer) -> Retrieval:
        return Retrieval(
            lambda: sign_in(server, self._account, self._options.username, account_name=self._options.account),
            read_ahead=ReadAheadLimits(self._options.read_ahead).for_provider(self._account.provider),
            unique_ids=self._options.unique_ids,
            line_feeds=True,
            watch=lambda octets: self._progress.advance(self._retrieved, self._octets + octets),
            tell=self._tell,
            doubt=self._doubt,
            pauses=self._options.reconnect_pauses,
        )

    def _warn(self, text: str) -> None:
        self.log.warning(f"{self}: {text}\n")

    def _tell(self, text: str) -> None:
        self._progress.clear()  # a command of the user's may ask something before we are connected again
        self.log.info(f"  {text}\n")

    # -- the list of messages

    def _getmsglist(self) -> None:
        with errors_of_getmail():
            messages, repeated = self._run.listing()
            for message in repeated:
                self._duplicate(message.number, str(message.unique_id))
            if self._seen:
                self._seen.recall(self.oldmail)
            self._names.take((message.unique_id for message in messages), self.oldmail)
            if self._seen:
                messages = self._seen.without_owed(messages, self._names.name, self._run.delete)
            for message in messages:
                msgid = self._names.name(message.unique_id)
                self.msgnum_by_msgid[msgid] = message.number
                self.msgid_by_msgnum[message.number] = msgid
                self.msgsizes[msgid] = message.octets
        self.sorted_msgnum_msgid = sorted(self.msgid_by_msgnum.items())
        self._names.forget_vanished(self.oldmail, self.msgsizes, self.timestamp)
        self._retrieved = self._octets = 0
        self._expect(0)
        self.gotmsglist = True

    def _expect(self, number: int) -> None:
        """Say which messages getmail is going to ask for after this one, so that they are fetched ahead."""
        coming = ((msgid, self.msgsizes[msgid]) for after, msgid in self.sorted_msgnum_msgid if after > number)
        counts = {"retrieved": self._retrieved, "octets": self._octets}
        with errors_of_getmail():
            order = expected(coming, self.oldmail, self.app_options, **counts)
            self._run.expect([self._names.unique_id(msgid) for msgid in order])
            octets = sum(self.msgsizes[msgid] for msgid in order)
            self._progress.expect(self._retrieved + len(order), self._octets + octets)

    def _duplicate(self, number: int, unique_id: str) -> None:
        if not self._options.delete_dup_msgids:
            raise Pop3Error(
                f"the POP3 server {self._run.session.host} used the unique-id {unique_id} twice",
                hint="Set unique_ids = false, or set delete_dup_msgids = true to delete the second one.",
            )
        self._run.delete_number(number)

    def oldmail_exists(self, _mailbox: None) -> bool:
        """Whether there is a seen-file to read."""
        return self._seen is not None and self._seen.exists()

    def write_oldmailfile(self, _mailbox: None) -> None:
        """Write the seen-file."""
        if self._seen:
            self._seen.write(self.oldmail)

    def delivered(self, msgid: Any) -> None:
        """Write down at once that a message was delivered, or dropped by a filter."""
        names = self._names.in_seen_file(msgid)
        for name in names:
            self.oldmail.setdefault(name, self.timestamp)
        if self._seen:
            with errors_of_getmail():
                self._seen.delivered(names, self.timestamp, self.msgsizes[msgid])
            if self.app_options.get("to_oldmail_on_each_mail"):
                self._seen.write(self.oldmail)

    def _doubt(self, unique_id: Id, is_doubtful: bool) -> None:
        """Take back that a message was delivered, which may be only its beginning, so that the next run fetches it.

        A kill between the delivery and the next response, in which the doubt arises, leaves it as delivered. To prevent
        that would take a STAT for each message where sizes are estimates, or a message twice after every kill.
        """
        msgid = self._names.name(unique_id)
        if is_doubtful and msgid in self.oldmail:
            self._taken_back.add(msgid)
            for name in (names := self._names.in_seen_file(msgid)):
                self.oldmail.pop(name, None)
            if self._seen:
                self._seen.retract(names)
        elif not is_doubtful and msgid in self._taken_back:
            self._taken_back.remove(msgid)
            self.delivered(msgid)

    # -- one message

    def _getmsgbyid(self, msgid: Any) -> Any:
        number = self._getmsgnumbyid(msgid)
        try:
            with errors_of_getmail(refused=getmailRetrievalError):
                if self._seen:
                    self._seen.expect_delivery()
                message = message_from(self._run.fetch(self._names.unique_id(msgid)))
            if self._options.envelope_recipient:
                message.recipient = recipient_of(message, *self._options.envelope_field)
        except getmailRetrievalError:
            self._expect(number)  # getmail does not count it, so its limits may be reached later
            raise
        self._retrieved += 1
        self._octets += self.msgsizes[msgid]
        self._progress.advance(self._retrieved, self._octets)
        return message

    def _getheaderbyid(self, msgid: Any) -> Any:
        with errors_of_getmail(refused=getmailRetrievalError):
            return Message(fromstring=self._run.top(self._names.unique_id(msgid)) or b"\n").content()

    def _flagmsgbyid(self, msgid: Any) -> bool:
        self._run.delete(self._names.unique_id(msgid))
        return True

    _delmsgbyid = _flagmsgbyid  # its name before getmail6 6.19

    # -- the end

    def quit(self) -> None:
        """Write the seen-file, then delete and QUIT. If these fail, nothing is delivered twice."""
        run = self._end()
        try:
            try:
                if run:
                    run.settle()
            finally:
                RetrieverSkeleton.quit(self)
            if run:
                run.finish()
                if self._seen:
                    self._seen.finish()
        except OAuth2Pop3Error as error:
            # getmail itself would not report an error here.
            what = "" if run and run.doubtful else "messages may not have been deleted: "
            self.log.error(f"{self}: {what}{error}\n")
            raise getmailOperationError(str(error)) from None
        finally:
            if self._seen:
                self._seen.close()

    def abort(self) -> None:
        """End at once. Nothing is deleted, but unlike in getmail's own types, what was delivered is written down."""
        run = self._end()
        if self.mailbox_selected is not False:
            self.write_oldmailfile(self.mailbox_selected)
        RetrieverSkeleton.abort(self)
        if run is not None:
            run.close()

    def _end(self) -> Retrieval | None:
        """The run, which is over."""
        self._progress.close()
        run, self.conn = self.conn, None
        return run

    @property
    def _run(self) -> Retrieval:
        if self.conn is None:
            raise getmailOperationError("not connected")
        return self.conn
