"""After QUIT the bridge closes as soon as the server has, whatever was read ahead: some clients wait for that."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from servers import ports
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.bridge import started
from support.product import ADDRESS, Product

LONG = 120.0
"""Seconds in which the end must come on any machine. The relay would wait 900 seconds for a session that is idle."""


class Client:
    """A client that never closes first."""

    def __init__(self, end: socket.socket, password: str = "any") -> None:
        self._end = end
        self._end.settimeout(LONG)
        self._file = end.makefile("rb")
        assert self._file.readline().startswith(b"+OK"), "the greeting"
        self.send(f"USER {ADDRESS}", f"PASS {password}")
        for _ in range(2):
            assert self._file.readline().startswith(b"+OK")

    def send(self, *lines: str) -> None:
        self._end.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def line(self) -> bytes:
        return self._file.readline()

    def fetch(self, *numbers: int) -> None:
        """Fetch one message after the other, and read each to its end before the next is asked for."""
        for number in numbers:
            self.send(f"RETR {number}")
            assert self.line().startswith(b"+OK")
            while self.line() != b".\r\n":
                pass

    def rest(self) -> bytes:
        """All that comes up to the end of the file."""
        began = time.monotonic()
        try:
            return self._file.read()
        except TimeoutError:
            pytest.fail(f"no end of file {time.monotonic() - began:.0f} seconds after QUIT")


@contextmanager
def bridged(product: Product, dovecot: Dovecot, server: AuthorizationServer, *options: str) -> Iterator[Client]:
    """A client that has signed in; at the end the bridge must have ended on its own, with exit code 0."""
    with started(product, dovecot.pop3s_port, server, *options) as (end, process):
        yield Client(end)
        assert process.wait(LONG) == 0


Action = Callable[[Client], None]


def fetches_three(client: Client) -> None:
    client.fetch(1, 2, 3)
    client.send("QUIT")


def fetches_and_deletes(client: Client) -> None:
    for number in (1, 2, 3):
        client.fetch(number)
        client.send(f"DELE {number}")
        assert client.line().startswith(b"+OK")
    client.send("QUIT")


def fetches_nothing(client: Client) -> None:
    client.send("QUIT")


def asks_and_fetches_nothing(client: Client) -> None:
    client.send("LIST 1", "CAPA", "QUIT")


def pipelines(client: Client) -> None:
    client.fetch(1)
    client.send("RETR 2", "RETR 3", "QUIT")


def pipelines_at_once(client: Client) -> None:
    client.send("RETR 1", "RETR 2", "QUIT")


def says_quit_in_its_own_way(client: Client) -> None:
    client.fetch(1, 2, 3)
    client.send("quit  now ")


def quits_after_an_unknown_command(client: Client) -> None:
    """From then on octets are passed on as they are."""
    client.fetch(1, 2, 3)
    client.send("XNONE", "QUIT")


@pytest.mark.parametrize("options", [(), ("--no-read-ahead",)], ids=["", "no read-ahead"])
@pytest.mark.parametrize(
    "action",
    [
        fetches_three,
        fetches_and_deletes,
        fetches_nothing,
        asks_and_fetches_nothing,
        pipelines,
        pipelines_at_once,
        says_quit_in_its_own_way,
        quits_after_an_unknown_command,
    ],
)
def test_the_end_comes(
    action: Action,
    options: tuple[str, ...],
    signed_in: Product,
    dovecot: Dovecot,
    authorization_server: AuthorizationServer,
) -> None:
    dovecot.add_messages(ADDRESS, 8)
    with bridged(signed_in, dovecot, authorization_server, *options) as client:
        action(client)
        assert client.rest().rpartition(b"+OK")[2].count(b"\n") == 1, "the last line is the response to QUIT"
    assert dovecot.count(ADDRESS) == (5 if action is fetches_and_deletes else 8)


def test_the_end_comes_in_the_middle_of_a_large_read_ahead(
    signed_in: Product, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """8 messages of 1.5 MB are on their way when QUIT comes, some of them whole."""
    dovecot.add_messages(ADDRESS, 20, size=1_500_000)
    with bridged(signed_in, dovecot, authorization_server) as client:
        client.fetch(1, 2, 3, 4)
        client.send("DELE 4", "QUIT")
        assert client.rest().count(b"+OK") == 2
    assert dovecot.count(ADDRESS) == 19


def test_the_next_client_is_served(
    signed_in: Product, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """The first client has not closed its end, but its place is free, because the session is over."""
    dovecot.add_messages(ADDRESS, 8)
    password = signed_in.run("bridge-password", ADDRESS, check=True).stdout.strip()
    port = ports.free()
    command = [signed_in.command, "bridge", "localhost", str(dovecot.pop3s_port)]
    command += ["--ca-certs", str(authorization_server.ca_file), "--listen", str(port), "--max-connections", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "listening" in process.stderr.readline()
            with socket.create_connection(("127.0.0.1", port)) as one:
                first = Client(one, password)
                fetches_three(first)
                with socket.create_connection(("127.0.0.1", port)) as other:
                    second = Client(other, password)
                    fetches_three(second)
                    second.rest()
                first.rest()
        finally:
            process.kill()
