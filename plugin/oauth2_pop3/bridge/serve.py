"""Serving clients of the bridge: one at standard input and output or at a socket that was passed, or many at a port."""

from __future__ import annotations

from oauth2_pop3.bridge import peer
from oauth2_pop3.bridge.report import report
from oauth2_pop3.pop3.maildrop import MaildropServer


def serve(
    server: MaildropServer,
    *,
    account: str = "",
    listen: tuple[str, int] | None = None,
    max_connections: int,
    require_password: bool = False,
    read_ahead: bool = True,
) -> None:
    """Serve one client; or many until SIGTERM, if `listen` names a port or a listening socket was passed.

    listen: a loopback address and a port.
    require_password: whether a client at standard input needs the bridge password even if nobody else can be there. At
    a socket that others can reach it is always needed.

    Raises UsageError if the client is on another machine or the port cannot be used, and what Bridge.run raises.
    """
    passed = peer.passed()
    listener = passed if passed is not None and peer.listens(passed) else None
    if listener is None and listen:
        listener = peer.listener(*listen)
    if listener is not None:
        from oauth2_pop3.bridge.listener import BridgeListener

        report(f"listening on {peer.name_of(listener)}; clients need bridge passwords")
        BridgeListener(listener, server, account=account, max_connections=max_connections, read_ahead=read_ahead).run()
        return
    from oauth2_pop3.bridge.client import BridgeClient
    from oauth2_pop3.bridge.session import Bridge

    read_from, write_to = (passed.fileno(),) * 2 if passed else (0, 1)
    peer.keep_standard_error_from(read_from)
    others = [peer.must_prove_itself(end) for end in (read_from, write_to)]  # both: each may be refused
    client = BridgeClient(read_from, write_to)
    with_password = require_password or any(others)
    Bridge(client, server, account=account, with_password=with_password, read_ahead=read_ahead).run()
