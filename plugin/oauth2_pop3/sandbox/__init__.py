"""The sandbox: an authorization server and a POP3 server on loopback, to try oauth2-pop3 and to test it.

It needs no account, no network and no root::

    with Sandbox(Path("/tmp/sandbox")) as sandbox:
        sandbox.deliver(5)
        provider = sandbox.provider_row()  # what goes into [providers.sandbox] of config.toml
        ...                                # start a login, which gives an authorization URL and listens
        sandbox.sign_in(authorization_url)

Tests find switches for faults in `sandbox.authorization_server` and `sandbox.pop3_server`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

    from oauth2_pop3.sandbox.authorization_server import AuthorizationServer
    from oauth2_pop3.sandbox.pop3_server import SandboxPop3Server

DEMO_USER = "demo@sandbox.test"


class Sandbox:
    """Both servers, in threads, for as long as the `with` block runs.

    directory: is created with mode 0700; only the certificate authority's certificate is left in it.
    act: the part to play (acts.toml).
    stls: whether there is also a plain port that offers STLS (pop3_stls_port).
    """

    user = DEMO_USER
    authorization_server: AuthorizationServer
    pop3_server: SandboxPop3Server

    def __init__(self, directory: Path, act: str = "plain", *, stls: bool = False) -> None:
        from oauth2_pop3.sandbox.foundation.acts import get_act

        self.act = get_act(act)
        self.directory = directory
        self.ca_certs = directory / "ca.pem"
        self.client_id = self.act.client_id
        self.client_secret = self.act.client_secret
        self._stls = stls
        self._delivered = 0

    def __enter__(self) -> Self:
        from oauth2_pop3.sandbox.authorization_server import AuthorizationServer
        from oauth2_pop3.sandbox.foundation.loopback_server import make_certificates
        from oauth2_pop3.sandbox.pop3_server import SandboxPop3Server

        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        tls = make_certificates(str(self.ca_certs))
        server = AuthorizationServer(self.act, tls)
        self.authorization_server = server
        self.pop3_server = SandboxPop3Server(self.act, server.account_of, tls, issuer=server.issuer, stls=self._stls)
        self.authorization_server.start()
        self.pop3_server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.pop3_server.close()
        self.authorization_server.close()

    @property
    def issuer(self) -> str:
        """The authorization server's issuer (RFC 8414 section 2)."""
        return self.authorization_server.issuer

    @property
    def pop3_host(self) -> str:
        """The POP3 server's loopback address, which is also the name in its certificate."""
        return self.pop3_server.host

    @property
    def pop3_port(self) -> int:
        """The port of POP3S."""
        return self.pop3_server.port

    @property
    def pop3_stls_port(self) -> int | None:
        """The plain port with STLS; None without `stls`."""
        return self.pop3_server.stls_port

    def provider_row(self) -> dict[str, Any]:
        """Describe the servers by the keys of [providers.NAME] in config.toml."""
        server = self.authorization_server
        row: dict[str, Any] = {}
        if self.act.has_issuer:
            row["issuer"] = server.issuer
        else:
            row["authorization_endpoint"] = server.authorization_endpoint
            row["token_endpoint"] = server.token_endpoint
            if server.revocation_endpoint:
                row["revocation_endpoint"] = server.revocation_endpoint
        row["scope"] = self.act.scope
        row["pop3_host"] = self.pop3_host
        row["pop3_port"] = self.pop3_port
        row["domains"] = [self.user.partition("@")[2]]
        row["ca_certs"] = str(self.ca_certs)
        row["mechanisms"] = [mechanism.lower() for mechanism in self.act.mechanisms]
        if self.act.authorization_parameters:
            row["authorization_parameters"] = dict(self.act.authorization_parameters)
        return row

    def sign_in(
        self, authorization_url: str, *, account: str | None = None, allow: bool = True, redirect: bool = True
    ) -> str:
        """Do what a person does in a browser: enter an address, choose Allow, and follow the redirect to the client.

        account: somebody other than the demo user.
        allow: False for a person who chooses Deny.
        redirect: False if the redirect is not to be followed.

        Returns the redirect's URL, which a person could paste.
        """
        from oauth2_pop3.sandbox.browser import follow_redirect, post_consent

        form = {"account": account or self.user, "decision": "allow" if allow else "deny"}
        location = post_consent(authorization_url, form, str(self.ca_certs))
        if redirect:
            follow_redirect(location)
        return location

    def deliver(self, count: int = 5, *, to: str | None = None) -> list[bytes]:
        """Put demo messages into the demo user's maildrop, or into that of `to`; return them."""
        from oauth2_pop3.sandbox.messages import demo_messages

        address = to or self.user
        messages = demo_messages(address, count, self._delivered + 1)
        self._delivered += count
        for message in messages:
            self.pop3_server.deliver(address, message)
        return messages
