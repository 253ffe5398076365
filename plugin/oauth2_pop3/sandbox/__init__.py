"""The sandbox: an authorization server and a POP3 server on loopback, to try oauth2-pop3 and to test it.

No account, no network and no root are needed::

    with Sandbox(Path("/tmp/sandbox")) as sandbox:
        sandbox.deliver(5)
        provider = sandbox.provider_row()  # what goes into [providers.sandbox] of config.toml
        ...                                # start a login, which gives an authorization URL and listens
        sandbox.sign_in(authorization_url)

Tests reach the switches by `sandbox.authorization_server` and `sandbox.pop3_server`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

    from oauth2_pop3.sandbox.authorization_server import AuthorizationServer
    from oauth2_pop3.sandbox.pop3_server import Pop3Server

DEMO_USER = "demo@sandbox.test"


class Sandbox:
    """Both servers, in threads, from `with` to its end; nothing outlives it but the CA's certificate.

    directory: is made, 0700; holds the certificate. act: the part to play, see acts.toml.
    stls: offer STLS on a plain port too (pop3_stls_port).
    """

    user = DEMO_USER
    authorization_server: AuthorizationServer
    pop3_server: Pop3Server

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
        from oauth2_pop3.sandbox.pop3_server import Pop3Server

        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        tls = make_certificates(str(self.ca_certs))
        server = self.authorization_server = AuthorizationServer(self.act, tls)
        self.pop3_server = Pop3Server(self.act, server.account_of, tls, issuer=server.issuer, stls=self._stls)
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
        """Where the POP3 server is: a loopback address, which its certificate names."""
        return self.pop3_server.host

    @property
    def pop3_port(self) -> int:
        """The port of POP3S."""
        return self.pop3_server.port

    @property
    def pop3_stls_port(self) -> int | None:
        """The plain port with STLS, if there is one."""
        return self.pop3_server.stls_port

    def provider_row(self) -> dict[str, Any]:
        """Describe the servers in the keys of [providers.NAME] in config.toml."""
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
        """Do what a person does in a browser: say who one is, allow, and follow the redirect to the client.

        Gives the redirect's URL, which a person may paste. account: somebody else than the demo user.
        allow: False to deny. redirect: False to leave the client's listener alone.
        """
        from oauth2_pop3.sandbox.browser import follow_redirect, post_consent

        form = {"account": account or self.user, "decision": "allow" if allow else "deny"}
        location = post_consent(authorization_url, form, str(self.ca_certs))
        if redirect:
            follow_redirect(location)
        return location

    def deliver(self, count: int = 5, *, to: str | None = None) -> list[bytes]:
        """Put demo messages into the demo user's maildrop, or into somebody else's; give what they are."""
        from oauth2_pop3.sandbox.messages import demo_messages

        address = to or self.user
        messages = demo_messages(address, count, self._delivered + 1)
        self._delivered += count
        for message in messages:
            self.pop3_server.deliver(address, message)
        return messages
