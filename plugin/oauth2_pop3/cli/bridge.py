"""Be a POP3 server on standard input and output, and sign in to the real one with OAuth 2.0.

For fetchmail: plugin "oauth2-pop3 bridge %h 995", auth password, sslproto '', and any password. The account is the one
that USER names. TLS to the real server is always verified. Exit codes: 0, and where the server cannot be reached 75, or
76, 78; what the server or the authorization server refuses is told to the client by the codes of RFC 2449 and RFC 3206.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

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


def run(options: Namespace) -> None:
    """Serve the one client."""
    from oauth2_pop3.bridge import Bridge, Client
    from oauth2_pop3.maildrop import Pop3Server

    server = Pop3Server(
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
    Bridge(Client(0, 1), server, account=options.account).run()


def _port(text: str) -> int:
    port = _PORTS.get(text) or (int(text) if text.isascii() and text.isdecimal() else 0)
    if not 0 < port < 65536:
        raise ArgumentTypeError(f"{text!r} is no port")
    return port
