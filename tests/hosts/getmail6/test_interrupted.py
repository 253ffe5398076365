"""getmail is killed at any message, or its access token ends: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import subprocess

import pytest

from oauth2_pop3.errors import AuthenticationRejected
from oauth2_pop3.net import tls
from oauth2_pop3.pop3.session import Session
from servers.authorization_server import NATIVE_SHORT, AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from servers.faulty_path import Fault, FaultyPath
from support.hosts import until
from support.product import Getmail, Product

ADDRESS = "interrupted@example.org"
MESSAGES = 12
DELIVERY = """\
delivered=$(ls {new} | wc -l)
[ "$KILL" = "$delivered before" ] && kill -9 $PPID && exit 1
cat > {new}/$delivered
[ "$KILL" = "$delivered after" ] && kill -9 $PPID
while [ -e {wait} ]; do sleep 0.02; done
"""


class Delivery:
    """An MDA that can kill the getmail that started it, or wait."""

    def __init__(self, getmail: Getmail) -> None:
        self._getmail = getmail
        self.wait = getmail.maildir.parent / "wait"
        self._script = getmail.maildir.parent / "deliver"
        self._script.write_text(DELIVERY.format(new=getmail.maildir / "new", wait=self.wait))

    def configure(self, port: int, options: str, retriever: str = "type = oauth2-pop3") -> None:
        """Write the rc file. `read_all` in the options takes the place of what would be there."""
        rc = self._getmail.configure(
            f"{retriever}\nserver = localhost\nport = {port}\nusername = {ADDRESS}\n",
            options,
            destination=f'type = MDA_external\npath = /bin/sh\narguments = ("{self._script}",)\n'
            "allow_root_commands = true\n",
        )
        if "read_all" in options:
            rc.write_text(rc.read_text().replace("read_all = false\n", "", 1))

    def start(self, kill: str = "") -> subprocess.Popen[str]:
        """Run getmail. kill: "3 before" or "3 after" the fourth message is delivered."""
        return subprocess.Popen(
            [*self._getmail.command, "--getmaildir", str(self._getmail.directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KILL": kill},
        )


@pytest.mark.parametrize(
    ("pipelining", "retrieved_once", "moment", "options"),
    [
        (True, False, "before", "delete = true"),
        (False, False, "after", "delete = true\nread_all = true"),
        (True, True, "after", ""),
    ],
)
def test_what_a_killed_run_has_not_delivered_the_next_one_fetches(
    pipelining: bool,
    retrieved_once: bool,
    moment: str,
    options: str,
    getmail: Getmail,
    product: Product,
    authorization_server: AuthorizationServer,
    dovecot: Dovecot,
    certificates: Certificates,
) -> None:
    """At every message: before it is delivered, or after it but before getmail knows."""
    product.use(authorization_server, dovecot, more="retrieved_once = true" if retrieved_once else "")
    product.login(authorization_server, ADDRESS).check_returncode()
    delivery = Delivery(getmail)
    with FaultyPath(certificates, dovecot, pipelining=pipelining) as path:
        delivery.configure(path.port, options)
        for number in range(MESSAGES):
            getmail.forget()
            dovecot.clear(ADDRESS)
            dovecot.add_messages(ADDRESS, MESSAGES, size=500)
            path.commands.clear()
            killed = delivery.start(f"{number} {moment}")
            killed.communicate(timeout=180)
            assert killed.returncode == -9
            until(lambda: path.commands[-1] == "")
            asked = [int(command[5:]) for command in path.commands if command.startswith("RETR")]
            ahead = 0 if retrieved_once else MESSAGES if pipelining else 1
            assert asked == list(range(1, min(MESSAGES, number + 1 + ahead) + 1))
            assert len(getmail.message_ids()) == number + (moment == "after")
            assert dovecot.count(ADDRESS) == MESSAGES, "deleted without QUIT"
            rest = delivery.start()
            stdout, stderr = rest.communicate(timeout=180)
            assert (rest.returncode, stderr) == (0, "")
            fetched = getmail.message_ids()
            assert len(set(fetched)) == MESSAGES, "a message is lost"
            assert len(fetched) == MESSAGES + (moment == "after"), "but for the one of which getmail did not know"
            assert dovecot.count(ADDRESS) == (0 if "delete" in options else MESSAGES), stdout
            assert len(list(getmail.directory.iterdir())) == 2, "the rc file and the seen-file"


def test_getmails_own_type_goes_on_after_a_run_that_was_killed(
    any_getmail: Getmail, product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """The next start completes getmail's own file; even one that is killed at its first message."""
    product.use(authorization_server, dovecot)
    product.login(authorization_server, ADDRESS).check_returncode()
    dovecot.clear(ADDRESS)
    dovecot.add_messages(ADDRESS, MESSAGES, size=500)
    delivery = Delivery(any_getmail)
    delivery.configure(dovecot.pop3s_port, "")
    for kill in ("4 after", "5 before"):  # the fifth message comes again: getmail did not know of it
        process = delivery.start(kill)
        process.communicate(timeout=180)
        assert process.returncode == -9
    assert len(set(any_getmail.message_ids())) == 5
    stock = f"type = SimplePOP3SSLRetriever\npassword = {dovecot.password}"
    delivery.configure(dovecot.pop3s_port, "", stock)
    stdout, _ = delivery.start().communicate(timeout=180)
    assert f"{MESSAGES - 4} messages" in stdout
    assert len(set(any_getmail.message_ids())) == MESSAGES


def test_two_runs_at_once_deliver_each_message_once(
    getmail: Getmail, product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """As when cron starts getmail again while it is still busy, and the server does not lock the maildrop."""
    product.use(authorization_server, dovecot)
    product.login(authorization_server, ADDRESS).check_returncode()
    dovecot.clear(ADDRESS)
    dovecot.add_messages(ADDRESS, MESSAGES, size=500)
    delivery = Delivery(getmail)
    delivery.configure(dovecot.pop3s_port, "delete = true")
    delivery.wait.touch()
    first = delivery.start()
    until(lambda: len(getmail.message_ids()) == 1)
    second = delivery.start()
    stdout, stderr = second.communicate(timeout=180)
    assert second.returncode == 127, stdout
    assert "another run of getmail is delivering from this maildrop" in stderr
    assert len(getmail.message_ids()) == 1
    delivery.wait.unlink()
    stdout, stderr = first.communicate(timeout=180)
    assert (first.returncode, stderr) == (0, "")
    assert len(getmail.message_ids()) == len(set(getmail.message_ids())) == MESSAGES
    assert dovecot.count(ADDRESS) == 0
    assert len(getmail.seen_files()) == 1


def test_getmails_own_crash_costs_nothing(
    getmail: Getmail, product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """getmail ends, without a word to its retrievers, when it cannot write a message's sender into its log."""
    product.use(authorization_server, dovecot)
    product.login(authorization_server, ADDRESS).check_returncode()
    dovecot.clear(ADDRESS)
    for number in range(6):
        sender = "b\xf6b@example.org" if number == 3 else "bob@example.org"
        text = f"Return-Path: <{sender}>\r\nMessage-ID: <{number}@crash.example>\r\n\r\nx\r\n"
        dovecot.deliver(ADDRESS, text.encode(), number)
    getmail.oauth2(dovecot, ADDRESS, options=f"message_log = {getmail.directory / 'log'}")
    command = [*getmail.command, "--getmaildir", str(getmail.directory)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    crashed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert crashed.returncode == 4, crashed.stdout + crashed.stderr
    assert "UnicodeEncodeError" in crashed.stderr
    assert len(getmail.message_ids()) == 4
    rest = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert rest.returncode == 0, rest.stderr
    assert len(getmail.message_ids()) == len(set(getmail.message_ids())) == 6


def test_an_access_token_that_ends_in_the_session(
    getmail: Getmail,
    product: Product,
    authorization_server: AuthorizationServer,
    dovecot: Dovecot,
    certificates: Certificates,
) -> None:
    """Dovecot lets a session continue; Exchange ends it at the next command, in these words."""
    dovecot.clear(ADDRESS)
    dovecot.add_messages(ADDRESS, MESSAGES)
    product.use(authorization_server, dovecot, client=NATIVE_SHORT)
    product.login(authorization_server, ADDRESS).check_returncode()
    context = tls.client_context(ca_certs=str(authorization_server.ca_file))

    def is_refused(access_token: str) -> bool:
        with Session.connect("localhost", dovecot.pop3s_port, context=context) as session:
            try:
                session.authenticate("xoauth2", ADDRESS, access_token, port=dovecot.pop3s_port)
            except AuthenticationRejected:
                return True
        return False

    delivery = Delivery(getmail)
    delivery.wait.touch()
    with FaultyPath(certificates, dovecot, pipelining=False) as path:
        delivery.configure(path.port, "delete = true")
        process = delivery.start()
        until(lambda: len(getmail.message_ids()) == 1)
        first = product.stored(ADDRESS)["access_token"]
        assert not is_refused(first)
        until(lambda: is_refused(first))
        path.fault = Fault("RETR", "-ERR Session invalidated - AccessTokenExpired", last=True)
        authorization_server.reset()
        delivery.wait.unlink()
        stdout, stderr = process.communicate(timeout=180)
        assert path.fault.seen == 1
    assert (process.returncode, stderr) == (0, "")
    assert "AccessTokenExpired; connecting again" in stdout
    assert [request["grant_type"] for request in authorization_server.token_requests()] == ["refresh_token"]
    assert product.stored(ADDRESS)["access_token"] != first
    assert len(getmail.message_ids()) == len(set(getmail.message_ids())) == MESSAGES
    assert dovecot.count(ADDRESS) == 0
