"""A POP3 server for a client that knows only USER and PASS. It signs in to the real server with OAuth 2.0.

The client is at standard input and output, or with --listen at a port of this machine. USER names the account. TLS to
the real server is always verified; turn TLS off in the client.

fetchmail: plugin "oauth2-pop3 bridge %h 995", auth password, sslproto '', and any password.

systemd (contrib/systemd), inetd, --listen: any user of the machine could connect, so the client must give the password
that `oauth2-pop3 bridge-password ACCOUNT` has printed. If standard input is a socket that others can connect to, the
password is needed. fetchmail's plugin socket is not one. After a wrong password the bridge waits 1, 2 and then 4
seconds, and after the third it closes the connection, as it does after 60 seconds without a sign-in. A client on
another machine is refused. If another program listens and hands over a pipe, use --require-password.

Errors are told to the client with the response codes of RFC 2449 and RFC 3206, and as a sentence on standard error, or
in the system's log if inetd has made standard error the client's connection. [AUTH]: a person must sign in again, or
the bridge password is wrong. [SYS/TEMP]: a temporary problem. [SYS/PERM]: the configuration. [IN-USE], [LOGIN-DELAY]:
the maildrop is locked. If the server cannot be reached and no bridge password is needed, the connection ends before the
greeting. Exit codes: 0; 64 the command line is wrong, or the client does not speak POP3; 75, 76, 78 the server cannot
be reached or is not trusted.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3.cli.arguments import port

if TYPE_CHECKING:
    from oauth2_pop3.pop3.maildrop import MaildropServer

_PORTS = {"pop3": 110, "pop3s": 995}


def add_arguments(parser: ArgumentParser) -> None:
    """Which server, how to reach it, and how to serve clients."""
    parser.add_argument("host", metavar="HOST", help="the POP3 server")
    parser.add_argument("port", metavar="PORT", type=_port, help="its port: a number, pop3 or pop3s")
    parser.add_argument(
        "--account", metavar="ADDRESS", default="", help="the account whose token opens the mailbox (default: USER)"
    )
    parser.add_argument("--starttls", action="store_true", help="start TLS with STLS instead of from the first octet")
    parser.add_argument(
        "--ca-certs",
        metavar="PATH",
        action="append",
        default=[],
        help="a file or directory of certificate authorities; repeatable",
    )
    parser.add_argument("--server-hostname", metavar="NAME", default="", help="the name in the server's certificate")
    parser.add_argument(
        "--fingerprint",
        metavar="HEX",
        action="append",
        default=[],
        help="a fingerprint that the certificate must have as well; repeatable",
    )
    parser.add_argument("--certfile", metavar="FILE", default="", help="a client certificate to show to the server")
    parser.add_argument("--keyfile", metavar="FILE", default="", help="the key of that certificate")
    parser.add_argument("--tls-min-version", choices=("1.2", "1.3"), default="1.2", help="default: %(default)s")
    parser.add_argument(
        "--mechanism", choices=("auto", "xoauth2", "oauthbearer"), default="auto", help="default: %(default)s"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=int,
        default=180,
        help="how long the server may stay silent during sign-in (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-insecure-loopback", action="store_true", help="do without TLS; only to a server on this machine"
    )
    parser.add_argument("--no-read-ahead", action="store_true", help="fetch no message before the client asks for it")
    parser.add_argument(
        "--listen", metavar="[ADDRESS:]PORT", type=_address, help="listen at a loopback address and serve many clients"
    )
    parser.add_argument(
        "--max-connections",
        metavar="N",
        type=_count,
        default=100,
        help="clients served at once; others wait (default: %(default)s)",
    )
    parser.add_argument(
        "--require-password", action="store_true", help="require the bridge password on standard input too"
    )


def run(options: Namespace) -> None:
    """Serve one client, or listen for many."""
    from oauth2_pop3.bridge.serve import serve

    serve(
        _server(options),
        account=options.account,
        listen=options.listen,
        max_connections=options.max_connections,
        require_password=options.require_password,
        read_ahead=not options.no_read_ahead,
    )


def _server(options: Namespace) -> MaildropServer:
    from oauth2_pop3.pop3.maildrop import MaildropServer

    return MaildropServer(
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
    return _PORTS.get(text) or port(text)


def _address(text: str) -> tuple[str, int]:
    """The address and port in [ADDRESS:]PORT; an IPv6 address may be in brackets."""
    address, _, number = text.rpartition(":")
    return address.strip("[]") or "127.0.0.1", _port(number)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is not a number of connections from 1 to 10000")
    return int(text)
