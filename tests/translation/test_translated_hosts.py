"""`translate` and the real hosts: some of the mail with the password, the rest with OAuth 2.0, then the password again.

Nothing is fetched twice and nothing is missing, which is to say that no host forgets what it has seen.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from servers.authorization_server import AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from support.hosts import Fetchmail, Mpop, said
from support.product import ADDRESS, Getmail, Product

BOB = "bob@example.org"
PASSWORD = Dovecot.password


class Move:
    """One host's file, moved step by step as a person would. both: Bob has mail too, and signs in."""

    def __init__(self, product: Product, server: AuthorizationServer, dovecot: Dovecot) -> None:
        self.product = product
        self._server, self._dovecot = server, dovecot
        self.people = [ADDRESS]
        product.use(server, dovecot)
        for user in (ADDRESS, BOB):
            dovecot.clear(user)
        self._expected = 0

    def add(self, count: int) -> None:
        """New mail, for each of the people."""
        for user in self.people:
            self._dovecot.add_messages(user, count)
        self._expected += count * len(self.people)

    def run(
        self, host: Fetchmail | Mpop | Getmail, file: Path, *, arguments: Sequence[str] = (), others: Sequence[str] = ()
    ) -> str:
        """Go all the way; returns the translated file. others: people who keep their password."""

        def fetched() -> None:
            result = host.run()
            assert result.returncode == 0, said(result)
            assert (PASSWORD in result.stderr + result.stdout) is False
            assert len(host.message_ids()) == len(set(host.message_ids())) == self._expected, said(result)

        original, mode = file.read_bytes(), file.stat().st_mode
        self.add(4)
        fetched()
        self.add(3)
        result = self.product.run("translate", str(file), "--write", *arguments)
        assert result.returncode == 0, said(result)
        translated = file.read_text()
        assert file.stat().st_mode == mode
        assert PASSWORD not in result.stdout + result.stderr
        assert (PASSWORD in translated) == bool(others)
        for address in self.people:
            if address not in others:
                assert f"To do: Run: oauth2-pop3 login {address}" in result.stdout
                assert self.product.login(self._server, address).returncode == 0
        fetched()
        again = self.product.run("translate", str(file), "--write", *arguments)
        assert "There is nothing to change." in again.stdout
        self.add(1)
        fetched()
        assert self.product.run("translate", str(file), "--undo").returncode == 0
        assert (file.read_bytes(), file.stat().st_mode) == (original, mode)
        self.add(2)
        fetched()
        return translated


@pytest.fixture
def move(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Move:
    return Move(product, authorization_server, dovecot)


# -- fetchmail


@pytest.fixture
def fill(
    authorization_server: AuthorizationServer, certificates: Certificates, dovecot: Dovecot, home: Path
) -> Callable[[str], str]:
    """Put names and paths into a file's text."""
    shutil.copy(authorization_server.ca_file, home / "ca.pem")
    hashed = home / "hashed"
    hashed.mkdir()
    shutil.copy(authorization_server.ca_file, hashed)
    subprocess.run(["openssl", "rehash", hashed], check=True, capture_output=True)
    shown = subprocess.run(
        ["openssl", "x509", "-fingerprint", "-md5", "-noout", "-in", certificates.server_pem],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    values = {
        "POP3S": str(dovecot.pop3s_port),
        "POP3": str(dovecot.pop3_port),
        "MD5": shown.partition("=")[2].strip(),
        "CLIENT": str(certificates.server_pem),
        "KEY": str(certificates.server_key),
        "HASHED": str(hashed),
        "CA": str(authorization_server.ca_file),
        "ANN": ADDRESS,
        "BOB": BOB,
        "SECRET": PASSWORD,
        "ANOTHER": str(certificates.pem("self-signed")),
    }

    def filled(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"<{name}>", value)
        return text

    return filled


FETCHMAILRC = {
    "ssl": "poll localhost proto pop3 port <POP3S> uidl # here\n"
    "  user '<ANN>' there password '<SECRET>' ssl sslcertck\n  sslcertfile <CA> keep {mda}\n",
    "via": "poll work via localhost proto pop3 service <POP3S> uidl timeout 90 interval 1 no dns\n"
    " user <ANN> is root here pass <SECRET> ssl sslcertfile ca.pem keep {mda}",
    "every TLS setting": "poll localhost proto pop3 port <POP3S> uidl\n\tuser <ANN>\n\tpass <SECRET>\n\tssl\n"
    "\tsslproto TLS1.3\n\tsslcertck\n\tsslcertpath <HASHED>\n\tsslcertfile <ANOTHER>\n\tsslcommonname localhost\n"
    '\tsslfingerprint "<MD5>"\n\tsslcert <CLIENT>\n\tsslkey <KEY>\n\tkeep\n\t{mda}\n',
    "defaults": "defaults proto pop3 port <POP3S> uidl password <SECRET> ssl sslcertck sslcertfile <CA> keep {mda}\n"
    "poll localhost user <ANN>\n",
    "two users": "poll localhost proto pop3 port <POP3S> uidl\n"
    "  user <ANN> there is root here pass <SECRET> ssl sslcertfile <CA> keep {mda}\n"
    "  user <BOB> there is root here pass <SECRET> ssl sslcertfile <CA> keep {mda}\n",
    "two polls in a line": "poll ann via localhost proto pop3 port <POP3S> uidl user <ANN> pass <SECRET> ssl "
    "no sslcertck sslcertfile <CA> keep {mda} poll bob via localhost proto pop3 port <POP3> uidl user <BOB> "
    "pass <SECRET> sslproto tls1.2 sslcertfile <CA> {mda}",
}


@pytest.mark.parametrize("name", FETCHMAILRC)
def test_fetchmail(name: str, move: Move, fill: Callable[[str], str], home: Path) -> None:
    fetchmail = Fetchmail(home)
    fetchmail.configure(fill(FETCHMAILRC[name]))
    if "<BOB>" in FETCHMAILRC[name]:
        move.people.append(BOB)
    translated = move.run(fetchmail, fetchmail.rc)
    fetchids = (home / ".fetchids").read_text()
    keys = {line.split()[0] for line in fetchids.splitlines()}
    assert f"{ADDRESS}@localhost" in keys, "the keys of fetchmail's memory are the old ones"
    assert keys <= {f"{address}@localhost" for address in move.people}
    if name == "every TLS setting":
        for words in ("--ca-certs ", "self-signed.pem", "--fingerprint ", "--certfile ", "--keyfile ", "1.3"):
            assert words in translated


# -- mpop


MPOPRC = {
    "plain": "account ann\nhost localhost\nport <POP3S>\nuser <ANN>\npassword <SECRET>\ntls on\ntls_starttls off\n"
    "tls_trust_file <CA>\nkeep on\n{delivery}\n",
    "STLS": "account ann\nhost localhost\nport <POP3>\nuser <ANN>\npasswordeval echo <SECRET>\ntls on\n"
    "tls_trust_file <CA>\nkeep off\n{delivery}\n",
    "inherited": "defaults\ntls on\ntls_starttls off\ntls_trust_file <CA>\nkeep on\n{delivery}\n"
    'account ann\nhost localhost\nport <POP3S>\nuser <ANN>\npassword "<SECRET>"\nauth plain\n\n'
    "account bob : ann\nuser <BOB>\n",
}


@pytest.mark.parametrize("name", MPOPRC)
def test_mpop(name: str, move: Move, fill: Callable[[str], str], home: Path) -> None:
    mpop = Mpop(home)
    mpop.configure(fill(MPOPRC[name]))
    if "<BOB>" in MPOPRC[name]:
        move.people.append(BOB)
    move.run(mpop, mpop.rc)


def test_an_mpop_account_that_stays_does_not_inherit_the_helper(
    move: Move, fill: Callable[[str], str], home: Path
) -> None:
    """Bob's account inherits from Ann's, and keeps its password."""
    mpop = Mpop(home)
    mpop.configure(fill(MPOPRC["inherited"]))
    move.people.append(BOB)
    translated = move.run(mpop, mpop.rc, arguments=("--only", ADDRESS), others=[BOB])
    assert translated.count("oauth2-pop3 token") == 1


# -- getmail


@pytest.mark.parametrize("arguments", [(), ("--keep-type",)])
@pytest.mark.parametrize("kind", ["Simple", "BrokenUIDL", "Multidrop"])
def test_getmail(
    kind: str, arguments: tuple[str, ...], move: Move, fill: Callable[[str], str], getmail: Getmail
) -> None:
    envelope = "envelope_recipient = from:1\n" if kind == "Multidrop" else ""
    file = getmail.configure(
        fill(
            f"type = {kind}POP3SSLRetriever\nserver = localhost\nport = <POP3S>\nusername = <ANN>\n"
            f"password = <SECRET>\nca_certs = <CA>\n{envelope}"
        ),
        options="delete = true\n" if kind == "BrokenUIDL" else "",
    )
    translated = move.run(getmail, file, arguments=arguments)
    assert ("type = oauth2-pop3" in translated) == (not arguments)
    assert len(getmail.seen_files()) == (kind != "BrokenUIDL")


def test_getmail_without_tls(move: Move, fill: Callable[[str], str], getmail: Getmail) -> None:
    """getmail's own type has none; the type oauth2-pop3 signs in after STLS."""
    file = getmail.configure(
        fill("type = SimplePOP3Retriever\nserver = localhost\nport = <POP3>\nusername = <ANN>\npassword = <SECRET>\n")
    )
    assert "starttls = true" in move.run(getmail, file)
