"""A way to Dovecot on which things go wrong at a chosen command: ends, resets, silence, other responses.

It ends the client's TLS, so as to see commands: clients whose sign-ins differ in length can then meet the same fault.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from servers.certificates import Certificates
from servers.dovecot import HOST, Dovecot

Kind = Literal["end", "reset", "stall"]

_UNKNOWN = b"XFAULT\r\n"
_REFUSED = re.compile(rb"^-ERR Unknown command[^\n]*\n", re.MULTILINE)  # Dovecot's response to that


@dataclass
class Fault:
    """What happens at a command that matches, for the first `times` of them; at "" before the greeting, and before TLS.

    kind: what becomes of the connection, or (with a space in it) the line of the response. last: whether the
    connection ends with that line. after: octets of the response that still pass. seen: how often it has happened.
    """

    command: str
    kind: Kind | str
    last: bool = False
    after: int = 0
    times: int = 1
    seen: int = 0


class FaultyPath:
    """A server that passes on to Dovecot and back; `fault` can be changed at any time.

    pipelining: whether CAPA may say so, which Google's and Microsoft's servers were never seen to. commands: what
    clients have sent, and "" for each that has ended its connection.
    """

    def __init__(self, certificates: Certificates, dovecot: Dovecot, *, pipelining: bool = True) -> None:
        self.fault: Fault | None = None
        self.commands: list[str] = []
        self._pipelining = pipelining
        self._dovecot = dovecot
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server_pem, certificates.server_key)
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._released = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def release(self) -> None:
        """End every connection, also those that were left in silence.

        Its own thread closes each of them: with a descriptor that is closed under it, that thread would read from and
        write to the next socket of this process that gets the same number, and somebody's TLS would fail.
        """
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        self._released.set()
        self._released = threading.Event()

    @property
    def last(self) -> socket.socket:
        """The end of the connection that was made last; with its TLS, once that stands."""
        return self._open[-1]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        released = self._released
        if fault := self._due(""):
            _apply(fault.kind, plain, released)
            return
        with (
            suppress(OSError, ValueError),
            socket.create_connection((HOST, self._dovecot.pop3_port)) as server,
            self._context.wrap_socket(plain, server_side=True) as client,
        ):
            self._open.append(client)
            self._pass_on(client, server, released)

    def _pass_on(self, client: ssl.SSLSocket, server: socket.socket, released: threading.Event) -> None:
        """One thread a connection: a socket is only reset by close() while no other thread reads from it."""
        sources: list[socket.socket] = [client, server]
        received = responses = b""
        kind, left = "", -1  # what happens once `left` more octets have come from the server; -1: nothing
        ends = False
        instead: list[Fault] = []  # whose lines are still to take the place of Dovecot's
        while True:
            ready, _, _ = select.select(sources, [], [])
            if client in ready:
                block = client.recv(65536)
                if not block:
                    self.commands.append("")
                    sources.remove(client)
                    server.shutdown(socket.SHUT_WR)
                *lines, received = (received + block).split(b"\n")
                for line in lines:
                    text = line.decode("ascii", "replace").strip()
                    self.commands.append(text)
                    fault = self._due(text)
                    if fault is None or fault.after:
                        server.sendall(line + b"\n")
                    elif " " in fault.kind:  # in its turn, after Dovecot's responses to earlier commands
                        instead.append(fault)
                        ends = ends or fault.last or text.upper() == "QUIT"
                        server.sendall(_UNKNOWN)
                    else:
                        return _apply(fault.kind, client, released)
                    if fault and fault.after:
                        kind, left = fault.kind, fault.after
            if server in ready:
                block = server.recv(65536)
                if not block:
                    client.unwrap()
                    return None
                if not self._pipelining:
                    block = block.replace(b"PIPELINING\r\n", b"")
                if instead:
                    block, responses = _replace(responses + block, instead)
                    if not instead:
                        block, responses = block + responses, b""
                client.sendall(block if left < 0 else block[:left])
                if ends and not instead:
                    return _apply("end", client, released)
                if left >= 0 and (left := max(0, left - len(block))) == 0:
                    return _apply(kind, client, released)

    def _due(self, command: str) -> Fault | None:
        fault = self.fault
        if fault is None or fault.seen >= fault.times or bool(command) != bool(fault.command):
            return None
        if not re.match(fault.command, command, re.IGNORECASE):
            return None
        fault.seen += 1
        return fault


def _replace(responses: bytes, instead: list[Fault]) -> tuple[bytes, bytes]:
    """Put in the faults' lines if it is their turn; returns what can be passed on, and what is not a whole line yet."""
    while instead and (found := _REFUSED.search(responses)):
        responses = responses[: found.start()] + f"{instead.pop(0).kind}\r\n".encode() + responses[found.end() :]
    end = responses.rfind(b"\n") + 1
    return responses[:end], responses[end:]


def _apply(kind: str, client: socket.socket, released: threading.Event) -> None:
    if kind == "stall":  # until release(); octets not read by then would turn the end into a reset
        client.settimeout(0.05)
        while not released.is_set():
            with suppress(OSError):
                if not client.recv(65536):
                    released.wait(0.05)
        client.close()
        return
    if kind == "reset":
        time.sleep(0.2)  # a reset loses what was not read before it: without this, how much would be chance
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:  # read what the client still sends, or the kernel would reset the connection
        client.settimeout(5)
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    client.close()
