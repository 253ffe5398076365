"""The bridge as fetchmail starts it: the entry of a fetchmailrc, and a process on a socket."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.product import ADDRESS, Product


def entry(product: Product, server: AuthorizationServer, dovecot: Dovecot, users: str, options: str = "") -> str:
    bridge = f"{product.command} bridge %h {dovecot.pop3s_port} --ca-certs {server.ca_file} {options}"
    return f'poll localhost proto pop3 uidl plugin "{bridge}" auth password\n{users}\n'


def user(name: str = ADDRESS, more: str = "") -> str:
    return f"  user \"{name}\" there sslproto '' password 'x' {{mda}} {more}"


@contextmanager
def started(
    product: Product, port: int, server: AuthorizationServer, *arguments: str
) -> Iterator[tuple[socket.socket, subprocess.Popen[str]]]:
    """A bridge on a socket, as fetchmail starts it, which may not have said anything yet."""
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    command = [product.command, "bridge", "localhost", str(port), "--ca-certs", str(server.ca_file), *arguments]
    with (
        ours,
        subprocess.Popen(
            command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        theirs.close()
        try:
            yield ours, process
        finally:
            process.kill()
