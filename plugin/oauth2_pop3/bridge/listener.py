"""The bridge at a port of this machine, for those who have neither systemd nor inetd: one process, a thread a client.

Threads and not processes: with 50 clients signed in, each cost 0.7 MB where a process of its own has 14 MB that it does
not share, and it had signed in after 24 ms instead of 109, most of which is Python's start. They share nothing but what
processes share too, files under locks; and TLS and waiting are done without the interpreter's lock.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from oauth2_pop3.bridge import peer as bridge_socket
from oauth2_pop3.bridge.client import Client
from oauth2_pop3.bridge.session import Bridge
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.pop3.maildrop import Pop3Server

TIME_TO_END = 5.0
"""Seconds that clients have for what they are at, once SIGTERM has come."""
SURE_OF_ITS_PLACE = 5.0
"""Seconds in which a client may give its password before it has to make room for others that wait."""


class _Ended(BaseException):
    """SIGTERM or SIGINT has come: not an error, and nothing in between is to take it for one."""


class Listener:
    """Serves the clients of a listening socket until SIGTERM; no fault of one client ends it.

    max_connections: how many at once. Others wait in the kernel's queue; where nobody goes, the one that has been
    longest without giving its password makes room, so that clients that say nothing cannot keep others out.
    """

    def __init__(
        self, listener: socket.socket, server: Pop3Server, *, account: str, max_connections: int, read_ahead: bool
    ) -> None:
        self._listener = listener
        self._server = server
        self._account = account
        self._read_ahead = read_ahead
        self._places = threading.BoundedSemaphore(max_connections)
        self._served: dict[Bridge, tuple[float, socket.socket]] = {}

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        try:
            while True:
                self._serve_next()
        except _Ended:
            pass
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # a second one does not wait
        self._listener.close()
        deadline = time.monotonic() + TIME_TO_END
        while time.monotonic() < deadline and any(bridge.has_proved_itself for bridge in list(self._served)):
            time.sleep(0.05)

    def _serve_next(self) -> None:
        select.select([self._listener], [], [])
        while not self._places.acquire(timeout=0.5):
            self._make_room()
        try:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except (OSError, RuntimeError) as error:  # gone again; or no descriptors or threads are left, which passes
            self._places.release()
            if not isinstance(error, ConnectionAbortedError):
                print(f"oauth2-pop3: {error}", file=sys.stderr, flush=True)  # noqa: T201
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
                bridge_socket.must_prove_itself(descriptor)  # refuses a peer on another machine
                client = Client(descriptor, descriptor)
                bridge = Bridge(
                    client, self._server, account=self._account, with_password=True, read_ahead=self._read_ahead
                )
                self._served[bridge] = time.monotonic(), connection
                bridge.run()
        except OAuth2Pop3Error as error:
            print(f"oauth2-pop3: {error}", file=sys.stderr, flush=True)  # noqa: T201
        except Exception as error:  # noqa: BLE001  # a fault of ours, which is not to end what others are at
            print(f"oauth2-pop3: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        finally:
            if bridge is not None:
                self._served.pop(bridge, None)
            self._places.release()


def _end(*_: object) -> None:
    raise _Ended
