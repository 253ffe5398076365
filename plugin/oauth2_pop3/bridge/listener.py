"""The bridge at a port of this machine, for users who have neither systemd nor inetd: one process, a thread per client.

Threads rather than processes: with 50 clients signed in, each thread took 0.7 MB, and a process 14 MB that it does not
share; a client had signed in after 24 ms instead of 109, most of which is Python's start. Threads share only what
processes share too, files under locks, and neither TLS nor waiting holds the interpreter's lock.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from contextlib import suppress

from oauth2_pop3.accounts.detached import wait_for_all
from oauth2_pop3.bridge import peer
from oauth2_pop3.bridge.client import BridgeClient
from oauth2_pop3.bridge.report import report
from oauth2_pop3.bridge.session import Bridge
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.pop3.maildrop import MaildropServer

TIME_TO_END = 5.0
"""Seconds that clients have to finish after SIGTERM."""
SURE_OF_ITS_PLACE = 5.0
"""Seconds in which a client may give its password before it has to make room for others that wait."""


class _Ended(BaseException):
    """SIGTERM or SIGINT has come. This is not an error, and no handler of errors may catch it."""


class BridgeListener:
    """Serves the clients of a listening socket until SIGTERM; an error with one client does not end it.

    account: whose token opens the mailbox that USER names, if it is not USER's own.
    max_connections: how many clients are served at once. Others wait in the kernel's queue. If no place becomes free,
    the client that has been there longest without giving its password loses its place, so that clients that say nothing
    cannot keep others out.
    read_ahead: whether messages may be fetched before the client asks for them.
    """

    def __init__(
        self, listener: socket.socket, server: MaildropServer, *, account: str, max_connections: int, read_ahead: bool
    ) -> None:
        self._listener = listener
        self._server = server
        self._account = account
        self._read_ahead = read_ahead
        self._places = threading.BoundedSemaphore(max_connections)
        self._served: dict[Bridge, tuple[float, socket.socket]] = {}

    def run(self) -> None:
        """Serve clients until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        try:
            while True:
                self._serve_next()
        except _Ended:
            pass
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        self._listener.close()
        deadline = time.monotonic() + TIME_TO_END
        while time.monotonic() < deadline and any(bridge.has_proved_itself for bridge in list(self._served)):
            time.sleep(0.05)
        wait_for_all()  # as the first process of a container, its end would end them

    def _serve_next(self) -> None:
        select.select([self._listener], [], [])
        while not self._places.acquire(timeout=0.5):
            self._make_room()
        try:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except (OSError, RuntimeError) as error:  # it has gone again; or there are no descriptors or threads for now
            self._places.release()
            if not isinstance(error, ConnectionAbortedError):
                report(error)
                time.sleep(1)

    def _make_room(self) -> None:
        before = time.monotonic() - SURE_OF_ITS_PLACE
        waiting = [(began, end) for bridge, (began, end) in list(self._served.items()) if not bridge.has_proved_itself]
        began, end = min(waiting, key=lambda pair: pair[0], default=(time.monotonic(), None))
        if end is not None and began < before:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        bridge = None
        try:
            with connection:
                descriptor = connection.fileno()
                peer.must_prove_itself(descriptor)  # refuses a peer on another machine
                client = BridgeClient(descriptor, descriptor)
                bridge = Bridge(
                    client, self._server, account=self._account, with_password=True, read_ahead=self._read_ahead
                )
                self._served[bridge] = time.monotonic(), connection
                bridge.run()
        except OAuth2Pop3Error as error:
            report(error)
        except Exception as error:  # noqa: BLE001  # a bug must not end the other clients' sessions
            report(f"{type(error).__name__}: {error}")
        finally:
            if bridge is not None:
                self._served.pop(bridge, None)
            self._places.release()


def _end(*_: object) -> None:
    raise _Ended
