"""Opening a maildrop with an access token, for the retriever, the bridge, and the check at `login`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oauth2_pop3.errors import AuthenticationRejected, ConfigError
from oauth2_pop3.net import tls
from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.socket import Wait, wait
from oauth2_pop3.providers.provider import Provider


@dataclass(frozen=True, kw_only=True)
class MaildropServer:
    """The POP3 server that has a maildrop, and how to connect to it.

    timeout, wait: see Session.connect().
    mechanism: the user's choice, or "auto".
    preferred: the provider's order of mechanisms.
    initial_response: whether to send the token on the same line as AUTH if it is short enough.
    allow_insecure_loopback: whether to do without TLS, which is only allowed to a server on this machine.
    """

    host: str
    port: int
    starttls: bool = False
    timeout: float = 180.0
    mechanism: str = "auto"
    preferred: tuple[str, ...] = ()
    initial_response: bool = False
    ca_certs: str | tuple[str, ...] = ""
    certfile: str = ""
    keyfile: str = ""
    ciphers: str = ""
    fingerprints: tuple[str, ...] = ()
    server_hostname: str = ""
    tls_min_version: str = "1.2"
    allow_insecure_loopback: bool = False
    wait: Wait = wait

    @classmethod
    def of(cls, provider: Provider) -> MaildropServer:
        """The server of a provider, always with TLS."""
        return cls(
            host=provider.pop3_host,
            port=provider.pop3_port,
            starttls=provider.starttls,
            preferred=provider.mechanisms,
            initial_response=provider.initial_response,
            ca_certs=provider.ca_certs,
        )

    def connect(self) -> Session:
        """Connect with verified TLS; without TLS only to a loopback address, and only if that is allowed."""
        if self.allow_insecure_loopback and not is_loopback(self.host):
            raise ConfigError(
                f"allow_insecure_loopback is set, but {self.host} is not on this machine",
                hint="Remove it: a bearer token is never sent over the network without verified TLS.",
            )
        context = None
        if not self.allow_insecure_loopback:
            context = tls.client_context(
                ca_certs=self.ca_certs,
                certfile=self.certfile,
                keyfile=self.keyfile,
                ciphers=self.ciphers,
                at_least=self.tls_min_version,
            )
        return Session.connect(
            self.host,
            self.port,
            context=context,
            starttls=self.starttls,
            server_hostname=self.server_hostname,
            fingerprints=self.fingerprints,
            timeout=self.timeout,
            wait=self.wait,
        )


def open_maildrop(
    server: MaildropServer, mailbox: str, access_token: Callable[[str], str], *, connected: Session | None = None
) -> Session:
    """Connect and sign in to a mailbox.

    access_token: returns a token. It is called with "" first. If that token is refused, it is called once more with the
    refused token, so that it can get another.
    connected: a session with the server that is not signed in yet, if there is one.

    Raises Pop3Error and its subclasses, NetworkError, and what access_token raises.
    """
    token = access_token("")
    try:
        return _sign_in(server, mailbox, token, connected)
    except AuthenticationRejected:
        another = access_token(token)
        if another == token:
            raise
    return _sign_in(server, mailbox, another)


def _sign_in(server: MaildropServer, mailbox: str, token: str, connected: Session | None = None) -> Session:
    session = connected or server.connect()
    try:
        mechanism = sasl.choose(
            session.capabilities.get("SASL", ()), wanted=server.mechanism, preferred=server.preferred
        )
        session.authenticate(mechanism, mailbox, token, port=server.port, one_line=server.initial_response)
    except BaseException:  # a signal too: nobody else knows of this connection, and the maildrop stays locked
        session.close()
        raise
    return session
