"""Be a POP3 server for a client that knows USER and PASS alone, and sign in to the real one with OAuth 2.0.

The client is at standard input and output, or with --listen at a port of this machine. The account is the one that USER
names. TLS to the real server is always verified; the client's own is to be off.

fetchmail: plugin "oauth2-pop3 bridge %h 995", auth password, sslproto '', and any password.

systemd (contrib/systemd), inetd, --listen: the client gives the password that `oauth2-pop3 bridge-password ACCOUNT` has
printed, since any user of the machine could connect. That goes by what standard input is: a socket with an address or a
path demands it, fetchmail's has neither. A wrong one costs 1, 2, then 4 seconds, and the third ends the connection; so
do 60 seconds without a sign-in. A client on another machine is refused. Behind a program that listens and hands over a
pipe, say --require-password.

What goes wrong is told to the client by the codes of RFC 2449 and RFC 3206, and as a sentence on standard error, or in
the system's log where inetd has made that the client's too. [AUTH]: a person must sign in again, or the bridge password
is wrong. [SYS/TEMP]: later. [SYS/PERM]: the configuration. [IN-USE], [LOGIN-DELAY]: the maildrop is locked. Without a
bridge password, a server that cannot be reached is an end before the greeting. Exit codes: 0; 64 the command line, or a
client that does what no POP3 client does; 75, 76, 78 where the server cannot be reached or trusted.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauth2_pop3.pop3.maildrop import Pop3Server

_PORTS = {"pop3": 110, "pop3s": 995}


def add_arguments(parser: ArgumentParser) -> None:
    """HOST PORT and how to get there."""
    parser.add_argument("host", metavar="HOST", help="the POP3 server")
    parser.add_argument("port", metavar="PORT", type=_port, help="its port: a number, pop3 or pop3s")
    parser.add_argument("--account", metavar="ADDRESS", default="", help="whose token opens it, if not USER's own")
    parser.add_argument("--starttls", action="store_true", help="TLS by STLS, and not from the first octet")
    parser.add_argument(
        "--ca-certs",
        metavar="PATH",
        action="append",
        default=[],
        help="certificate authorities: a file or directory; repeatable",
    )
    parser.add_argument("--server-hostname", metavar="NAME", default="", help="the name in the server's certificate")
    parser.add_argument(
        "--fingerprint", metavar="HEX", action="append", default=[], help="one that the certificate must have besides"
    )
    parser.add_argument("--certfile", metavar="FILE", default="", help="the client's own certificate")
    parser.add_argument("--keyfile", metavar="FILE", default="", help="its key")
    parser.add_argument("--tls-min-version", choices=("1.2", "1.3"), default="1.2", help="(%(default)s)")
    parser.add_argument("--mechanism", choices=("auto", "xoauth2", "oauthbearer"), default="auto", help="(%(default)s)")
    parser.add_argument("--timeout", metavar="SECONDS", type=int, default=180, help="of silence, at the sign-in")
    parser.add_argument(
        "--allow-insecure-loopback", action="store_true", help="no TLS, to a server on this machine alone"
    )
    parser.add_argument("--no-read-ahead", action="store_true", help="fetch no message before the client asks for it")
    parser.add_argument(
        "--listen", metavar="[ADDRESS:]PORT", type=_address, help="serve any number of clients at a loopback address"
    )
    parser.add_argument(
        "--max-connections", metavar="N", type=_count, default=100, help="at once; others wait (%(default)s)"
    )
    parser.add_argument("--require-password", action="store_true", help="on standard input too, whatever it is")


def run(options: Namespace) -> None:
    """Serve the one client, or listen."""
    from oauth2_pop3.bridge import peer as bridge_socket

    server = _server(options)
    passed = bridge_socket.passed()
    if options.listen or (passed is not None and bridge_socket.listens(passed)):
        from oauth2_pop3.bridge.listener import Listener

        listener = passed or bridge_socket.listener(*options.listen)
        where = bridge_socket.name_of(listener)
        print(f"oauth2-pop3: listening on {where}; clients need bridge passwords", file=sys.stderr, flush=True)
        Listener(
            listener,
            server,
            account=options.account,
            max_connections=options.max_connections,
            read_ahead=not options.no_read_ahead,
        ).run()
        return
    from oauth2_pop3.bridge.client import Client
    from oauth2_pop3.bridge.session import Bridge

    read_from, write_to = (passed.fileno(),) * 2 if passed else (0, 1)
    bridge_socket.keep_standard_error_from(read_from)
    with_password = bridge_socket.must_prove_itself(read_from) | bridge_socket.must_prove_itself(write_to)
    client = Client(read_from, write_to)
    Bridge(
        client,
        server,
        account=options.account,
        with_password=with_password or options.require_password,
        read_ahead=not options.no_read_ahead,
    ).run()


def _server(options: Namespace) -> Pop3Server:
    from oauth2_pop3.pop3.maildrop import Pop3Server

    return Pop3Server(
        host=options.host,
        port=options.port,
        starttls=options.starttls,
        timeout=options.timeout,
        mechanism=options.mechanism,
        ca_certs=tuple(options.ca_certs),
        certfile=options.certfile,
        keyfile=options.keyfile,
        fingerprints=tuple(options.fingerprint),
        server_hostname=options.server_hostname,
        tls_min_version=options.tls_min_version,
        allow_insecure_loopback=options.allow_insecure_loopback,
    )


def _port(text: str) -> int:
    port = _PORTS.get(text) or (int(text) if text.isascii() and text.isdecimal() else 0)
    if not 0 < port < 65536:
        raise ArgumentTypeError(f"{text!r} is no port")
    return port


def _address(text: str) -> tuple[str, int]:
    """[ADDRESS:]PORT; an IPv6 address may stand in brackets."""
    address, _, port = text.rpartition(":")
    return address.strip("[]") or "127.0.0.1", _port(port)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is no number of connections")
    return int(text)
