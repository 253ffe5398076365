"""pop3.Session and open_maildrop: against the sandbox's server, and against sockets that do what no server should."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oauth2_pop3.errors import (
    AuthenticationRejected,
    ConfigError,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    Pop3Error,
)
from oauth2_pop3.net import tls
from oauth2_pop3.pop3.connection import Connection
from oauth2_pop3.pop3.dialogue import Command
from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.socket import Socket
from oauth2_pop3.retrieval.spool import Spool
from oauth2_pop3.sandbox import Sandbox
from oauth2_pop3.sandbox.authorization_server.issued import Consent
from oauth2_pop3.sandbox.pop3_server.connection import Faults, stuff_dots
from servers.certificates import Certificates, Kind

TOKEN = "ya29.a-token-that-nobody-may-see"
NO_CAPA = (b"+OK ready\r\n", "CAPA", b"-ERR unknown command\r\n")
NO_SIZES = ("LIST", b"+OK\r\n.\r\n")
TERMINAL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Peer:
    """The other end of one connection: sends bytes, expects lines (str), and None waits for the client to go."""

    def __init__(self, *script: bytes | str | None, tls_with: ssl.SSLContext | None = None) -> None:
        self.lines: list[str] = []
        self.fault: BaseException | None = None
        self._script, self._tls = script, tls_with
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._listener.close()
        self._thread.join(60)
        if kind is None:
            assert not self._thread.is_alive(), f"the script has not come to its end: {self.lines}"
            assert self.fault is None, self.fault

    def connect(self, timeout: float = 60) -> Session:
        return Session.connect("127.0.0.1", self.port, context=None, timeout=timeout)

    def _run(self) -> None:
        try:
            connection, _ = self._listener.accept()
            connection.settimeout(60)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                for step in self._script:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif step is None:
                        lines.read()
                    else:
                        line = lines.readline().decode().removesuffix("\r\n")
                        self.lines.append(line)
                        assert line == step or step == "*", f"{line!r} where {step!r} was due"
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client went away, as it may
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            self.fault = error


@contextmanager
def peer(*script: bytes | str | None) -> Iterator[Session]:
    """A session with a peer that follows the script after its greeting and CAPA."""
    with Peer(*NO_CAPA, *script) as server, server.connect() as session:
        yield session


def retrieve(session: Session, number: int = 1) -> bytes:
    """A message, read in the same way as retrieval.Retrieval does."""
    command, spool = Command(f"RETR {number}", multiline=True), Spool()
    session.dialogue.send(command)
    session.dialogue.response(command, spool.write)
    return spool.content()


def refused_by(*script: bytes | str | None, mechanism: str = "xoauth2", one_line: bool = False) -> OAuth2Pop3Error:
    """The error of an AUTH to which the peer responds so. It fits on one line of a terminal and holds no token."""
    with peer(*script) as session, pytest.raises(OAuth2Pop3Error) as caught:
        session.authenticate(mechanism, "ann@example.org", TOKEN, port=995, one_line=one_line)
    assert not TERMINAL.search(str(caught.value))
    assert "\u202e" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert base64.b64encode(TOKEN.encode()).decode()[:20] not in str(caught.value)
    return caught.value


def challenge(value: object) -> bytes:
    return b"+ " + base64.b64encode(json.dumps(value).encode()) + b"\r\n"


# -- the sandbox's server


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "s", stls=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    maildrop = shared_sandbox.pop3_server.maildrops[shared_sandbox.user]
    assert maildrop.lock.acquire(timeout=60)  # the server lets go a moment after the client has
    maildrop.lock.release()
    maildrop.messages = []
    shared_sandbox.pop3_server.faults = Faults()
    yield shared_sandbox
    shared_sandbox.pop3_server.faults = Faults()


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    return issue(sandbox)


def issue(sandbox: Sandbox) -> str:
    issued = sandbox.authorization_server.issued
    access_token = issued.new_access_token()
    issued.save_tokens(Consent(sandbox.user, "c", sandbox.act.scope.split(), True), access_token, None, None)
    return access_token


def server_of(sandbox: Sandbox, **options: object) -> MaildropServer:
    given = {"host": sandbox.pop3_host, "port": sandbox.pop3_port, "ca_certs": str(sandbox.ca_certs), "timeout": 5}
    return MaildropServer(**{**given, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("starttls", [False, True])
def test_a_whole_session(sandbox: Sandbox, token: str, mechanism: str, starttls: bool) -> None:
    sent = sandbox.deliver(3)
    port = sandbox.pop3_stls_port if starttls else sandbox.pop3_port
    server = server_of(sandbox, port=port, starttls=starttls, mechanism=mechanism)
    with open_maildrop(server, sandbox.user, lambda _: token) as session:
        assert session.capabilities["SASL"] == ("XOAUTH2", "OAUTHBEARER")  # as said under TLS
        assert session.peer == (sandbox.pop3_host, port)
        sizes, unique_ids = session.listings()
        stored = sandbox.pop3_server.messages(sandbox.user)
        assert sizes == {number: len(message) for number, message in enumerate(stored, 1)}
        assert session.stat() == (3, sum(sizes.values()))
        assert len(set(unique_ids.values())) == 3 == len(unique_ids)
        assert [retrieve(session, number) for number in (1, 2, 3)] == stored
        assert stored[0].replace(b"\r\n", b"\n") == b"\n".join(sent[0].splitlines()) + b"\n"
        assert session.top(1) == stored[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        session.delete(1)
        session.command("RSET")
        session.delete(2)
        session.quit()
    assert sandbox.pop3_server.messages(sandbox.user) == [stored[0], stored[2]]


def test_without_quit_nothing_is_deleted(sandbox: Sandbox, token: str) -> None:
    sandbox.deliver(1)
    with open_maildrop(server_of(sandbox), sandbox.user, lambda _: token) as session:
        session.delete(1)
    assert len(sandbox.pop3_server.messages(sandbox.user)) == 1


def test_an_empty_maildrop(sandbox: Sandbox, token: str) -> None:
    with open_maildrop(server_of(sandbox), sandbox.user, lambda _: token) as session:
        assert (session.stat(), session.sizes(), session.listings()) == ((0, 0), {}, ({}, {}))
        session.quit()


def test_the_broken_connection_in_a_message(sandbox: Sandbox, token: str) -> None:
    sandbox.deliver(2)
    sandbox.pop3_server.faults = Faults(drop_in_retr=2)
    with open_maildrop(server_of(sandbox), sandbox.user, lambda _: token) as session:
        assert retrieve(session)
        with pytest.raises(NetworkError, match="closed the connection"):
            retrieve(session, 2)


def test_a_message_with_a_line_of_a_megabyte(sandbox: Sandbox, token: str) -> None:
    sandbox.deliver(1)
    sandbox.pop3_server.faults = Faults(long_line=1 << 20)
    with open_maildrop(server_of(sandbox), sandbox.user, lambda _: token) as session:
        assert retrieve(session).endswith(b"x" * (1 << 20) + b"\r\n")


def test_silence_ends_at_the_timeout(sandbox: Sandbox, token: str) -> None:
    sandbox.pop3_server.faults = Faults(stall_at="STAT", stall_seconds=3)
    with (
        open_maildrop(server_of(sandbox, timeout=1), sandbox.user, lambda _: token) as session,
        pytest.raises(NetworkError, match="silent"),
    ):
        session.stat()


def test_a_connection_that_is_closed_at_once(sandbox: Sandbox) -> None:
    sandbox.pop3_server.faults = Faults(close_on_connect=True)
    with pytest.raises(NetworkError, match="closed the connection"):
        server_of(sandbox).connect()


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ("[SYS/TEMP] Try later.", NetworkError),
        ("[SYS/PERM] Never.", Pop3Error),
        ("[IN-USE] Busy.", MaildropLocked),
        ("[LOGIN-DELAY] Wait.", MaildropLocked),
        ("[in-use] busy", MaildropLocked),
        ("[AUTH] No.", AuthenticationRejected),
        ("No.", AuthenticationRejected),
    ],
)
def test_what_a_good_token_may_meet(sandbox: Sandbox, token: str, response: str, kind: type[OAuth2Pop3Error]) -> None:
    sandbox.pop3_server.faults = Faults(sign_in_response=response)
    with pytest.raises(OAuth2Pop3Error) as caught:
        open_maildrop(server_of(sandbox), sandbox.user, lambda _: token)
    assert type(caught.value) is kind
    assert response in str(caught.value)


def test_a_maildrop_in_use(sandbox: Sandbox, token: str) -> None:
    with (
        open_maildrop(server_of(sandbox), sandbox.user, lambda _: token),
        pytest.raises(MaildropLocked, match="another session"),
    ):
        open_maildrop(server_of(sandbox), sandbox.user, lambda _: token)


@pytest.mark.parametrize(("mechanism", "response"), [("xoauth2", "(empty line)"), ("oauthbearer", "AQ==")])
def test_a_refused_token_is_changed_once(sandbox: Sandbox, token: str, mechanism: str, response: str) -> None:
    asked = []

    def access_token(refused: str) -> str:
        asked.append(refused)
        return token if refused else "stale"

    with open_maildrop(server_of(sandbox, mechanism=mechanism), sandbox.user, access_token) as session:
        session.stat()
    assert asked == ["", "stale"]
    assert sandbox.pop3_server.commands[-4:] == [f"response: {response}", "CAPA", f"AUTH {mechanism.upper()}", "STAT"]


def test_a_token_that_is_refused_twice(sandbox: Sandbox, token: str) -> None:
    sandbox.pop3_server.faults = Faults(refuse_tokens_from=0)
    before = sandbox.pop3_server.sessions
    with pytest.raises(AuthenticationRejected, match="status 401") as caught:
        open_maildrop(server_of(sandbox), sandbox.user, lambda refused: issue(sandbox))
    assert sandbox.pop3_server.sessions == before + 2
    with pytest.raises(AuthenticationRejected):
        open_maildrop(server_of(sandbox), sandbox.user, lambda refused: token)
    assert sandbox.pop3_server.sessions == before + 3  # there was no other token
    assert token not in str(caught.value)


def test_a_refused_sign_in_leaves_no_connection(sandbox: Sandbox) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(AuthenticationRejected):
            open_maildrop(server_of(sandbox), sandbox.user, lambda _: "stale")
    deadline = time.monotonic() + 180
    while len(list(Path("/proc/self/fd").iterdir())) > before:  # the sandbox's ends go a moment later
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- TLS


def server_context(certificates: Certificates, kind: Kind) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.pem(kind), certificates.key(kind))
    return context


def client_context(certificates: Certificates) -> ssl.SSLContext:
    return tls.client_context(ca_certs=str(certificates.ca_file))


@pytest.mark.parametrize("kind", ["wrong-name", "expired", "self-signed"])
def test_a_certificate_that_is_not_to_be_trusted(certificates: Certificates, kind: Kind) -> None:
    with (
        Peer(b"+OK hello\r\n", None, tls_with=server_context(certificates, kind)) as server,
        pytest.raises(Pop3Error, match="is not trusted") as caught,
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), timeout=60)
    assert server.lines == []
    assert ("clock" if kind == "expired" else "ca_certs") in caught.value.hint


def test_the_name_that_the_certificate_must_have(certificates: Certificates) -> None:
    with Peer(*NO_CAPA, tls_with=server_context(certificates, "wrong-name")) as server:
        Session.connect(
            "127.0.0.1",
            server.port,
            context=client_context(certificates),
            server_hostname="elsewhere.example",
            timeout=60,
        ).close()


@pytest.mark.parametrize("right", [True, False])
def test_fingerprints_come_on_top(certificates: Certificates, right: bool) -> None:
    first, end, _ = certificates.pem("good").read_text().partition("-----END CERTIFICATE-----\n")
    der = ssl.PEM_cert_to_DER_cert(first + end)
    digest = hashlib.sha256(der).hexdigest().upper()
    fingerprint = ":".join(re.findall("..", digest)) if right else "00" * 32
    context = client_context(certificates)
    script = NO_CAPA if right else (b"+OK ready\r\n", None)
    with Peer(*script, tls_with=server_context(certificates, "good")) as server:
        if right:
            Session.connect("127.0.0.1", server.port, context=context, fingerprints=(fingerprint,)).close()
        else:
            with pytest.raises(Pop3Error, match="fingerprints"):
                Session.connect("127.0.0.1", server.port, context=context, fingerprints=(fingerprint,))
    assert server.lines == (["CAPA"] if right else [])
    with (
        Peer(None, tls_with=server_context(certificates, "self-signed")) as server,
        pytest.raises(Pop3Error, match="is not trusted"),
    ):
        Session.connect("127.0.0.1", server.port, context=context, fingerprints=(fingerprint,))


def test_tls_at_a_plain_port(certificates: Certificates) -> None:
    with (
        Peer(b"+OK POP3 without TLS\r\n", None) as server,
        pytest.raises(Pop3Error, match="no TLS connection") as caught,
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), timeout=60)
    assert "995" in caught.value.hint


# Regression: told as lasting (76), with the advice to look at the port: a server that is overloaded does this too.
def test_a_connection_that_ends_in_the_handshake(certificates: Certificates) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)  # all of it, so that the end is no reset

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, pytest.raises(NetworkError):
        Session.connect("127.0.0.1", listener.getsockname()[1], context=client_context(certificates), timeout=60)
    thread.join(60)


def test_plain_at_a_tls_port(certificates: Certificates) -> None:
    with Peer(tls_with=server_context(certificates, "good")) as server, pytest.raises(NetworkError, match="silent"):
        server.connect(timeout=0.3)


@pytest.mark.parametrize("capabilities", [b"+OK\r\nUIDL\r\n.\r\n", b"-ERR what\r\n"])
def test_stls_that_is_not_offered(certificates: Certificates, capabilities: bytes) -> None:
    with (
        Peer(b"+OK hello\r\n", "CAPA", capabilities, None) as server,
        pytest.raises(Pop3Error, match="does not offer STLS"),
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), starttls=True, timeout=60)
    assert server.lines == ["CAPA"]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"-ERR Server Unavailable. 21\r\n", "responded to CAPA"),
        (b"-ERR [SYS/TEMP] later\r\n", "responded to CAPA"),
        (b"-ERR Connection is closed. 10\r\n", "ended the session"),
        (b"-ERR Server shutting down.\r\n", "ended the session"),
    ],
)
def test_whether_stls_is_offered_is_not_known_while_capa_is_refused_for_now(
    certificates: Certificates, response: bytes, words: str
) -> None:
    with (
        Peer(b"+OK hello\r\n", "CAPA", response, None) as server,
        pytest.raises(NetworkError, match=words),
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), starttls=True, timeout=60)


def test_what_is_injected_behind_the_answer_to_stls_is_refused(certificates: Certificates) -> None:
    with (
        Peer(
            b"+OK hello\r\n",
            "CAPA",
            b"+OK\r\nSTLS\r\n.\r\n",
            "STLS",
            b"+OK begin\r\n+OK\r\nSASL XOAUTH2\r\n.\r\n",
            None,
        ) as server,
        pytest.raises(Pop3Error, match="more than its response to STLS"),
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), starttls=True, timeout=60)


def test_what_is_injected_a_moment_later_breaks_the_handshake(certificates: Certificates) -> None:
    script = (b"+OK hello\r\n", "CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", b"+OK begin\r\n")
    with Peer(*script, b"+OK\r\nSASL XOAUTH2\r\n.\r\n", None) as server, pytest.raises(Pop3Error):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), starttls=True, timeout=60)


def test_stls_that_is_refused_sends_nothing_more(certificates: Certificates) -> None:
    with (
        Peer(b"+OK hello\r\n", "CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", b"-ERR no\r\n", None) as server,
        pytest.raises(Pop3Error, match="STLS"),
    ):
        Session.connect("127.0.0.1", server.port, context=client_context(certificates), starttls=True, timeout=60)
    assert server.lines == ["CAPA", "STLS"]


@pytest.mark.parametrize("host", ["192.0.2.1", "pop.example.org", "127.0.0.1.example.org"])
def test_a_plain_connection_goes_to_this_machine_alone(host: str) -> None:
    with pytest.raises(ConfigError, match="allow_insecure_loopback"):
        MaildropServer(host=host, port=110, allow_insecure_loopback=True).connect()


# -- the greeting, and names that lead nowhere


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (b"-ERR go away\r\n", Pop3Error),
        (b"-ERR [SYS/TEMP] later\r\n", NetworkError),
        (b"-ERR [IN-USE] busy\r\n", MaildropLocked),
        (b"-ERR [SYS/PERM] never\r\n", Pop3Error),
        (b"220 smtp.example.org ESMTP\r\n", Pop3Error),
        (b"\r\n", NetworkError),
        (b"", NetworkError),
        (b"+OK no end", NetworkError),
    ],
)
def test_a_greeting_that_is_none(greeting: bytes, kind: type[OAuth2Pop3Error]) -> None:
    with Peer(greeting) as server, pytest.raises(OAuth2Pop3Error) as caught:
        server.connect()
    assert type(caught.value) is kind
    assert server.lines == []


def test_no_greeting_at_all() -> None:
    with Peer(None) as server, pytest.raises(NetworkError, match="silent"):
        server.connect(timeout=0.2)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NetworkError, match=f"127.0.0.1:{port}"):
        Session.connect("127.0.0.1", port, context=None, timeout=1)


# Regression: UnicodeError of the codec `idna`, which ends getmail and all rc files that come after.
@pytest.mark.parametrize("host", ["pop..example.org", ".example.org", "a" * 64 + ".example.org"])
def test_a_host_that_is_no_name(host: str) -> None:
    with pytest.raises(OAuth2Pop3Error):
        Session.connect(host, 995, context=None, timeout=1)


# Regression: ValueError of ssl
@pytest.mark.parametrize("name", [".example.org", "a..b", "a" * 300])
def test_a_server_hostname_that_is_no_name(certificates: Certificates, name: str) -> None:
    context = client_context(certificates)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError):
            Session.connect("127.0.0.1", port, context=context, server_hostname=name, timeout=1)


def test_a_server_without_capa() -> None:
    with peer() as session:
        assert session.capabilities == {}


def test_capabilities_in_any_case() -> None:
    with Peer(b"+OK\r\n", "CAPA", b"+OK list\r\nsasl XOAUTH2  Plain\r\n\r\nEXPIRE 0\r\n\xff\r\n.\r\n") as server:
        capabilities = server.connect().capabilities
    assert capabilities["SASL"] == ("XOAUTH2", "Plain")
    assert capabilities["EXPIRE"] == ("0",)


# Regression: the names of mechanisms reach the message as they came.
def test_what_capa_says_does_not_reach_the_terminal_raw() -> None:
    with (
        Peer(b"+OK\r\n", "CAPA", b"+OK\r\nSASL \x1b[2JPLAIN\x07\r\n.\r\n") as server,
        pytest.raises(Pop3Error, match="does not offer") as caught,
    ):
        open_maildrop(
            MaildropServer(host="127.0.0.1", port=server.port, timeout=60, allow_insecure_loopback=True),
            "a",
            lambda _: "t",
        )
    assert "PLAIN" in str(caught.value)
    assert not TERMINAL.search(str(caught.value))


# -- lines and multi-line responses


def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth2_pop3.pop3.connection.LINE_LIMIT", 1000)
    with Peer(b"+OK " + b"x" * 2000, None) as server, pytest.raises(Pop3Error, match="without an end"):
        server.connect()


def test_capabilities_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth2_pop3.pop3.session.LINE_LIMIT", 1000)
    with Peer(b"+OK\r\n", "CAPA", b"+OK\r\n" + b"X\r\n" * 2000, None) as server, pytest.raises(Pop3Error, match="1000"):
        server.connect()


def test_a_message_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth2_pop3.pop3.dialogue.MULTILINE_LIMIT", 100_000)
    with (
        peer("RETR 1", b"+OK\r\n" + b"line\r\n" * 40_000, None) as session,
        pytest.raises(Pop3Error, match="more than 100000 octets"),
    ):
        retrieve(session)


def drip(connection: socket.socket, octets: bytes, pause: float) -> None:
    for octet in octets:
        time.sleep(pause)
        try:
            connection.sendall(bytes([octet]))
        except OSError:
            return


@pytest.mark.parametrize("octets", [b"+" + b"x" * 3000, b"+OK\r\n" + b"x" * 3000])
def test_a_server_that_drips(octets: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"".join(step for step in NO_CAPA if isinstance(step, bytes)))
            drip(connection, octets, 0.02)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, Session.connect("127.0.0.1", listener.getsockname()[1], context=None, timeout=1) as session:
        started = time.monotonic()
        with pytest.raises(NetworkError, match="too slowly"):
            retrieve(session)
        assert time.monotonic() - started < 30, "half of what the whole takes"
    thread.join(60)


# Regression: octets that come fast at first buy time to be slow later: a megabyte, 51 hours at the default timeout.
def test_a_server_that_drips_after_a_good_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"".join(step for step in NO_CAPA if isinstance(step, bytes)))
            received = b""
            while b"RETR" not in received:
                received += connection.recv(100)
            connection.sendall(b"+OK\r\n" + b"x" * 100_000)
            drip(connection, b"x" * 3000, 0.02)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with (
        listener,
        Session.connect("127.0.0.1", listener.getsockname()[1], context=None, timeout=1) as session,
        pytest.raises(NetworkError, match="too slowly"),
    ):
        retrieve(session)
    thread.join(60)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n..a\r\n.\r\n", b"..\r\n.a\r\n"),
        (b".lonely\r\n.\r\n", b"lonely\r\n"),  # RFC 1939 section 3: the first octet goes
        (b"a\n.\n", b"a\n"),  # a bare LF ends a line too, as for every other client
        (b"a\n.\r\n", b"a\n"),
        (b"a\r\n.\n", b"a\r\n"),
        (b".\n", b""),
        (b"a\n..b\n.\n", b"a\n.b\n"),
        (b"a\r.\r\n.\r\n", b"a\r.\r\n"),
        (b"\xff\x00\x80\r\n.\r\n", b"\xff\x00\x80\r\n"),
        (b"x" * 70_000 + b"\r\n.\r\n", b"x" * 70_000 + b"\r\n"),
    ],
)
def test_what_a_message_is(sent: bytes, message: bytes) -> None:
    with peer("RETR 1", b"+OK\r\n" + sent, "NOOP", b"+OK still here\r\n") as session:
        assert retrieve(session) == message
        assert session.command("NOOP") == "still here"


class Pieces(socket.socket):
    """A connection that brings its octets in pieces, as the network may cut them."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(fileno=connection.detach())
        self.pieces: list[bytes] = []

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def cut() -> Iterator[Callable[[list[bytes]], Session]]:
    """cut(PIECES): a session to which the response comes in these."""
    listener = socket.create_server(("127.0.0.1", 0))
    connection = Pieces(socket.create_connection(listener.getsockname()))
    far, _ = listener.accept()
    far.setblocking(False)

    def make(pieces: list[bytes]) -> Session:
        with suppress(BlockingIOError):
            far.recv(65536)
        connection.pieces = list(pieces)
        return Session(Connection(Socket(connection, 5.0), "test"))

    with listener, connection, far:
        yield make


def test_an_answer_cut_at_every_octet(cut: Callable[[list[bytes]], Session]) -> None:
    response = b"+OK\r\nSubject: x\r\n\r\n..\r\n..a\r\n.\r\n"
    for at in range(1, len(response)):
        for second in range(at, len(response)):
            pieces = [piece for piece in (response[:at], response[at:second], response[second:]) if piece]
            assert retrieve(cut(pieces)) == b"Subject: x\r\n\r\n.\r\n.a\r\n"
    assert retrieve(cut([bytes([octet]) for octet in response])) == b"Subject: x\r\n\r\n.\r\n.a\r\n"


lines = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\r\n", b"")), max_size=8)
dotted = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"\n.", b"a\r", b"\r"]), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.one_of(lines, dotted), cuts=st.lists(st.integers(1, 20), max_size=10))
def test_dot_stuffing_round_trip(cut: Callable[[list[bytes]], Session], message: list[bytes], cuts: list[int]) -> None:
    content = b"".join(line + b"\r\n" for line in message)
    response = b"+OK\r\n" + stuff_dots(content) + b".\r\n+OK next\r\n"
    pieces = []
    for size in cuts:
        pieces.append(response[:size])
        response = response[size:]
    session = cut([piece for piece in [*pieces, response] if piece])
    session.dialogue.pipelining = True
    received: list[bytes] = []
    first, second = Command("RETR 1", multiline=True), Command("NOOP")
    session.dialogue.send(first, second)
    session.dialogue.response(first, received.append)
    assert b"".join(received) == content
    assert session.dialogue.response(second) == "next"


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listing=st.dictionaries(st.integers(1, 10**6), visible, max_size=10))
def test_uidl_and_list_are_read(cut: Callable[[list[bytes]], Session], listing: dict[int, str]) -> None:
    uidl = stuff_dots("".join(f"{number} {uid}\r\n" for number, uid in listing.items()).encode())
    assert cut([b"+OK\r\n.\r\n", b"+OK\r\n" + uidl + b".\r\n"]).listings() == ({}, listing)
    sizes = "".join(f"{number} {number * 3} more\r\n" for number in listing).encode()
    assert cut([b"+OK\r\n" + sizes + b".\r\n"]).sizes() == {number: number * 3 for number in listing}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(response=st.binary(max_size=200))
def test_no_answer_makes_another_error_than_ours(cut: Callable[[list[bytes]], Session], response: bytes) -> None:
    ask: Callable[[Session], object]
    for ask in (Session.listings, Session.sizes, Session.stat, Session.capa, retrieve):
        before = [b"+OK\r\n.\r\n"] if ask is Session.listings else []
        for pieces in ([b"+OK " + response], [b"+OK\r\n" + response + b"\r\n.\r\n"]):
            message = ""
            try:
                ask(cut(before + pieces))
            except OAuth2Pop3Error as error:
                message = str(error)
            assert not TERMINAL.search(message)


@pytest.mark.parametrize("line", [b"1", b"", b"x 1", b"1 x", b"\xd9\xa1\xff 1", b"1 " + b"9" * 5000, b"\x1b[2J"])
def test_a_listing_that_is_none(line: bytes) -> None:
    with (
        peer("LIST", b"+OK\r\n" + line + b"\r\n.\r\n") as session,
        pytest.raises(Pop3Error, match="responded to LIST with") as caught,
    ):
        session.sizes()
    assert not TERMINAL.search(str(caught.value))


# Regression: int() accepts more than any RFC does, and the number goes into RETR and DELE.
@pytest.mark.parametrize("number", [b"-1", b"1_0", b"+1", "\u0661".encode(), b"0"])
def test_a_number_that_is_none(number: bytes) -> None:
    with peer(*NO_SIZES, "UIDL", b"+OK\r\n" + number + b" uid\r\n.\r\n") as session, pytest.raises(Pop3Error):
        session.listings()


# Regression: such a unique-id goes to the terminal and, with NUL, the separator there, into getmail's seen-file.
@pytest.mark.parametrize(
    "unique_id", [b"a\x00b", b"\x1b[2J", b"a\x1b]0;x\x07", b"a\x1fb", "a\u2028b".encode(), b"a\tb"]
)
def test_a_unique_id_that_no_file_could_hold_is_escaped(unique_id: bytes) -> None:
    """Not refused: getmail's own types fetch such a message, and the others."""
    with peer("LIST", b"+OK\r\n1 5\r\n.\r\n", "UIDL", b"+OK\r\n1 " + unique_id + b"\r\n.\r\n") as session:
        found = session.listings()[1][1]
    assert found.isprintable()
    assert "\\" in found


def test_unique_ids_that_differ_in_a_blank_are_two() -> None:
    with peer("LIST", b"+OK\r\n1 5\r\n2 5\r\n.\r\n", "UIDL", b"+OK\r\n1 c\r\n2 c \r\n.\r\n") as session:
        assert session.listings()[1] == {1: "c", 2: "c "}


@pytest.mark.parametrize("pipelining", [True, False])
def test_after_a_listing_that_is_refused_the_session_goes_on(pipelining: bool) -> None:
    """The responses to what was sent with it come, and are thrown away."""
    capa: tuple[bytes | str, ...] = (b"+OK\r\n", "CAPA", b"+OK\r\nPIPELINING\r\n.\r\n") if pipelining else NO_CAPA
    uidl: tuple[bytes | str, ...] = ("UIDL", b"-ERR no\r\n+OK\r\n1 a\r\n.\r\n") if pipelining else (b"-ERR no\r\n",)
    with Peer(*capa, "LIST", *uidl, "STAT", b"+OK 1 2\r\n") as server, server.connect() as session:
        with pytest.raises(Pop3Error, match="responded to LIST"):
            session.listings()
        assert session.stat() == (1, 2)


@pytest.mark.parametrize("response", [b"+OK\r\n", b"+OK 1\r\n", b"+OK a b\r\n"])
def test_a_stat_that_is_none(response: bytes) -> None:
    with peer("STAT", response) as session, pytest.raises(Pop3Error, match="STAT"):
        session.stat()


def test_a_command_that_is_refused_says_what_the_server_said() -> None:
    with (
        peer("RETR 7", b"-ERR \x1b[31mno \xe9 such\x07 message\xc2\x9b\r\n", None) as session,
        pytest.raises(Pop3Error, match=r"no .* such") as caught,
    ):
        retrieve(session, 7)
    assert not TERMINAL.search(str(caught.value))


def test_quit_that_could_not_delete_everything() -> None:
    with peer("QUIT", b"-ERR some deleted messages not removed\r\n") as session, pytest.raises(Pop3Error, match="QUIT"):
        session.quit()


def test_quit_without_an_answer() -> None:
    with peer("QUIT") as session, pytest.raises(NetworkError):
        session.quit()


# -- AUTH

FORM = base64.b64encode(f"user=ann@example.org\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()


@pytest.mark.parametrize("prompt", [b"+ \r\n", b"+\r\n", b"+ VXNlcm5hbWU=\r\n"])
def test_auth_in_two_steps(prompt: bytes) -> None:
    with peer("AUTH XOAUTH2", prompt, FORM, b"+OK welcome\r\n") as session:
        session.authenticate("xoauth2", "ann@example.org", TOKEN, port=995)


def test_auth_on_one_line() -> None:
    with peer(f"AUTH XOAUTH2 {FORM}", b"+OK welcome\r\n") as session:
        session.authenticate("xoauth2", "ann@example.org", TOKEN, port=995, one_line=True)


@pytest.mark.parametrize("one_line", [True, False])
def test_one_line_has_255_octets_at_most(one_line: bool) -> None:
    # RFC 2449 section 4: with CRLF. Base64 comes in fours, so what fits is 252 or less.
    fits = "x" * (3 * 59 - len("user=a\x01auth=Bearer \x01\x01"))
    for token, short in ((fits, True), (fits + "x", True), (fits + "x" * 4, False)):
        response = base64.b64encode(f"user=a\x01auth=Bearer {token}\x01\x01".encode()).decode()
        line = f"AUTH XOAUTH2 {response}"
        assert (len(line) + 2 <= 255) is short
        script = (line, b"+OK\r\n") if one_line and short else ("AUTH XOAUTH2", b"+ \r\n", response, b"+OK\r\n")
        with peer(*script) as session:
            session.authenticate("xoauth2", "a", token, port=995, one_line=one_line)


@pytest.mark.parametrize("response", [b"-ERR unknown mechanism\r\n", b"+OK what?\r\n", b"-ERR\r\n", b"hm\r\n"])
def test_the_token_is_not_sent_where_no_prompt_came(response: bytes) -> None:
    error = refused_by("AUTH XOAUTH2", response, None)
    assert type(error) is Pop3Error
    assert "AUTH XOAUTH2" in str(error)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"-ERR [SYS/TEMP] later\r\n", NetworkError),
        (b"-ERR Server Unavailable. 15\r\n", NetworkError),
        (b"-ERR [AUTH] no\r\n", Pop3Error),
        (b"-ERR Command is not valid in this state.\r\n", Pop3Error),
        (b"-ERR POP3 disabled for this mailbox\r\n", Pop3Error),
        (b"+ERR Server error\r\n", NetworkError),
    ],
)
def test_a_refusal_before_the_token_was_sent_is_not_of_the_token(response: bytes, kind: type[OAuth2Pop3Error]) -> None:
    assert type(refused_by("AUTH XOAUTH2", response, None)) is kind


@pytest.mark.parametrize(("mechanism", "end"), [("xoauth2", ""), ("oauthbearer", "AQ==")])
def test_the_json_of_a_refusal_is_told(mechanism: str, end: str) -> None:
    refusal = {"status": "invalid_token", "scope": "mail", "openid-configuration": "https://as.example.org/x"}
    error = refused_by(
        f"AUTH {mechanism.upper()}", b"+ \r\n", "*", challenge(refusal), end, b"-ERR [AUTH] no\r\n", mechanism=mechanism
    )
    assert type(error) is AuthenticationRejected
    for word in ("invalid_token", "https://as.example.org/x", "ann@example.org", "[AUTH] no"):
        assert word in str(error)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"-ERR [AUTH] no\r\n", AuthenticationRejected),
        (b"-ERR no\r\n", AuthenticationRejected),
        (b"-ERR\r\n", AuthenticationRejected),
        (b"-ERR [SYS/TEMP] no\r\n", NetworkError),
        (b"-ERR [SYS/PERM] no\r\n", Pop3Error),
        (b"-ERR [IN-USE] no\r\n", MaildropLocked),
        (b"-ERR [LOGIN-DELAY] no\r\n", MaildropLocked),
        (b"-ERR [X-OTHER] no\r\n", AuthenticationRejected),  # a code that names no other reason
        (b"+OK never mind\r\n", Pop3Error),  # a refusal is not a success, whatever comes after it
        (b"", NetworkError),
    ],
)
def test_what_follows_a_refusal(response: bytes, kind: type[OAuth2Pop3Error]) -> None:
    error = refused_by("AUTH XOAUTH2", b"+ \r\n", FORM, challenge({"status": "400"}), "", response)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"-ERR Server Unavailable. 15\r\n", NetworkError),
        (b"-ERR Server Unavailable. 21\r\n-ERR Connection is closed. 22\r\n", NetworkError),
        (b"+ERR Server error: Failed to fetch messages in Inbox.\r\n", NetworkError),
        (b"-ERR unable to lock maildrop\r\n", MaildropLocked),
        (b"-ERR Protocol error. Connection is closed. 10\r\n", Pop3Error),
        (b"-ERR Authentication failure: unknown user name or bad password.\r\n", AuthenticationRejected),
        (b"-ERR POP3 disabled for this mailbox\r\n", AuthenticationRejected),
        (b"-ERR ann@example.org is temporarily@example.org\r\n", AuthenticationRejected),
    ],
)
def test_what_is_said_of_a_token_without_a_response_code(response: bytes, kind: type[OAuth2Pop3Error]) -> None:
    error = refused_by("AUTH XOAUTH2", b"+ \r\n", FORM, response)
    assert type(error) is kind
    assert bool(error.response_code) is (kind in (NetworkError, MaildropLocked))


@pytest.mark.parametrize("status", ["503", "429", "temporarily_unavailable"])
@pytest.mark.parametrize("response", [b"-ERR\r\n", b"-ERR [AUTH] Username and password not accepted\r\n"])
def test_a_challenge_with_a_status_that_passes(status: str, response: bytes) -> None:
    """The JSON says why; the line after it is the same for all reasons."""
    error = refused_by(
        "AUTH XOAUTH2", b"+ \r\n", FORM, challenge({"status": status, "schemes": "bearer"}), "", response
    )
    assert type(error) is NetworkError
    assert status in error.message


# Regression: response codes are hierarchical (RFC 2449 section 8), so [SYS/TEMP/...] is a kind of [SYS/TEMP].
def test_a_response_code_of_more_levels() -> None:
    assert type(refused_by("AUTH XOAUTH2", b"+ \r\n", FORM, b"-ERR [SYS/TEMP/LDAP] down\r\n")) is NetworkError


@pytest.mark.parametrize(
    "refusal",
    [
        b"+ !!!\r\n",
        b"+ " + base64.b64encode(b"\xff\xfe") + b"\r\n",
        b"+\r\n",
        b"+ \xff\x1b[2J\r\n",
        challenge(["a", "list"]),
        challenge({"status": "\x1b]0;owned\x07\x9b2J\u202e\r\n\x00"}),
        challenge({"status": {"nested": ["\x1b[2J"]}}),
        # Regression: a key reaches the terminal as it came
        challenge({"\x1b]0;owned\x07": "1", "a\r\nb": "2"}),
        # Regression: UnicodeEncodeError
        challenge({"status": "\ud800"}),
        # Regression: RecursionError
        pytest.param(b"+ " + base64.b64encode(b"[" * 30_000) + b"\r\n", id="nested"),
    ],
)
def test_a_hostile_refusal(refusal: bytes) -> None:
    error = refused_by("AUTH XOAUTH2", b"+ \r\n", FORM, refusal, "", b"-ERR \x1b[2J\xff no\x9b\r\n")
    assert type(error) is AuthenticationRejected
    assert "no" in str(error)


# Regression: 60 KB of it on one line
def test_a_long_refusal_is_cut() -> None:
    many = {f"key-{number}": "x" * 50 for number in range(500)}
    error = refused_by("AUTH XOAUTH2", b"+ \r\n", FORM, challenge(many), "", b"-ERR no\r\n")
    assert len(str(error)) < 2000


def test_a_server_that_sends_the_token_back() -> None:
    echo = {"status": "400", "token": TOKEN}
    with peer("AUTH XOAUTH2", b"+ \r\n", FORM, challenge(echo), "", f"-ERR bad {TOKEN}\r\n".encode()) as session:
        with pytest.raises(AuthenticationRejected) as caught:
            session.authenticate("xoauth2", "ann@example.org", TOKEN, port=995)
        # Regression: "a message never holds a token" (errors.py)
        assert TOKEN not in str(caught.value)
