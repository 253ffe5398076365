"""An SMTP server that takes every message and keeps it: Dovecot's submission passes mail on to it."""

from __future__ import annotations

import socketserver
import threading
from typing import Self

EXTENSIONS = b"250-localhost\r\n250 8BITMIME\r\n"


class SmtpSink:
    """The part of RFC 5321 that a relay speaks. messages: the text of each that was taken."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        messages = self.messages

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 localhost\r\n")
                for line in self.rfile:
                    command = line[:4].upper()
                    if command == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write({b"QUIT": b"221 bye\r\n", b"EHLO": EXTENSIONS}.get(command, b"250 ok\r\n"))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
