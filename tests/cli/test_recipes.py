"""The files of contrib, run by the real programs against real servers: only names, ports and places are replaced."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import programs
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from servers.smtp_sink import SmtpSink
from support import CONTRIB
from support.product import ADDRESS, Completed, Product, run
from support.terminal import on_a_terminal

MESSAGE = f"From: <{ADDRESS}>\nTo: <bob@example.org>\nSubject: recipe\n\nHello.\n"
AS_NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
"""The user who runs the tests, under a name that is not root: fdm and getmail deliver nothing to root."""


@pytest.fixture
def maildir(
    home: Path, monkeypatch: pytest.MonkeyPatch, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> Path:
    # OpenSSL and Go read this; oauth2-pop3 does not.
    monkeypatch.setenv("SSL_CERT_FILE", str(authorization_server.ca_file))
    mail_server.clear(ADDRESS)
    mail_server.add_messages(ADDRESS, 2)
    directory = home / "Maildir"
    for name in ("cur", "new", "tmp"):
        (directory / name).mkdir(parents=True)
    return directory


@pytest.fixture
def signed_in(product: Product, authorization_server: AuthorizationServer, mail_server: Dovecot) -> Product:
    product.use(authorization_server, mail_server, more='imap_scope = "imap"\nsmtp_scope = "smtp"')
    result = product.login(authorization_server, ADDRESS, "--also", "imap,smtp")
    assert result.returncode == 0, result.stderr
    return product


@pytest.fixture
def recipe(mail_server: Dovecot, home: Path, maildir: Path, signed_in: Product) -> Callable[..., Path]:
    """recipe(FILE, OLD, NEW, ...): a file of contrib for these servers; OLD, if there is one, is replaced."""

    def prepare(name: str, *more: str, to: str = "") -> Path:
        text = (CONTRIB / name).read_text().replace("you@gmail.com", ADDRESS)
        text = text.replace("you%40gmail.com", ADDRESS.replace("@", "%40"))
        ports = {
            "pop": (995, mail_server.pop3s_port),
            "imap": (993, mail_server.imaps_port),
            "smtp": (587, mail_server.submission_port),
        }
        for kind, (standard, port) in ports.items():
            text = re.sub(rf"\b{standard}\b", str(port), text.replace(f"{kind}.gmail.com", "localhost"))
        for old, new in zip(more[::2], more[1::2], strict=True):
            assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        path = home / (to or Path(name).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return prepare


def ok(result: Completed) -> None:
    assert result.returncode == 0, f"{result.returncode}\n{result.stdout}\n{result.stderr}"


def count(directory: Path) -> int:
    """The messages below a directory."""
    return sum(path.is_file() for path in directory.rglob("new/*"))


def somebody(*command: str) -> Completed:
    """Run a program that does not work for root."""
    return run(*(AS_NOBODY if os.geteuid() == 0 else []), *command)


# -- POP3


def test_getmail(recipe: Callable[..., Path], maildir: Path) -> None:
    rc = recipe("clients/getmailrc")
    getmail = str(Path(sys.executable).with_name("getmail"))  # Debian's does not know use_xoauth2 for POP3
    ok(somebody(getmail, "--getmaildir", str(rc.parent), "--rcfile", rc.name))
    assert count(maildir) == 2


def test_mpop(
    recipe: Callable[..., Path], maildir: Path, mail_server: Dovecot, authorization_server: AuthorizationServer
) -> None:
    more = f"tls on\nport {mail_server.pop3s_port}\ntls_trust_file {authorization_server.ca_file}"
    ok(run(programs.find("mpop"), "-C", str(recipe("mpoprc/google", "tls on", more)), "-a"))
    assert count(maildir) == 2


def test_fetchmail(
    recipe: Callable[..., Path], maildir: Path, home: Path, authorization_server: AuthorizationServer
) -> None:
    plugin = f'"oauth2-pop3 bridge --ca-certs {authorization_server.ca_file} %h'
    rc = recipe("fetchmailrc/google", '"oauth2-pop3 bridge %h', plugin)
    rc.write_text(re.sub(r"\bmda .*\n", "", rc.read_text()).rstrip() + f' mda "cat > {maildir}/new/$$"\n')
    ids = ("--pidfile", str(home / "pid"), "--idfile", str(home / "ids"))
    ok(run(programs.find("fetchmail"), "-f", str(rc), *ids, "--nosyslog", "--nodetach", "--daemon", "0"))
    assert count(maildir) == 2


def test_fdm(recipe: Callable[..., Path], maildir: Path, home: Path, authorization_server: AuthorizationServer) -> None:
    bridge = f"bridge --ca-certs {authorization_server.ca_file} localhost"
    rc = recipe("clients/fdm.conf", "bridge localhost", bridge, "%h", str(home))
    rc.write_text(f'set lock-file "{home}/lock"\n{rc.read_text()}')
    ok(somebody(programs.find("fdm"), "-f", str(rc), "fetch"))
    assert count(maildir) == 2


# -- IMAP


def test_mbsync(
    recipe: Callable[..., Path], maildir: Path, authorization_server: AuthorizationServer, signed_in: Product
) -> None:
    certificate = f"SSLType IMAPS\nCertificateFile {authorization_server.ca_file}"
    rc = recipe("clients/mbsyncrc", "SSLType IMAPS", certificate)
    result = run(programs.find("mbsync"), "-c", str(rc), "-a")
    if "no worthy mechs" in result.stderr:
        programs.missing("Cyrus SASL has no XOAUTH2")
    ok(result)
    assert count(maildir) == 2


def test_offlineimap(recipe: Callable[..., Path], maildir: Path, authorization_server: AuthorizationServer) -> None:
    rc = recipe("clients/offlineimaprc", "OS-DEFAULT", str(authorization_server.ca_file))
    ok(run(programs.find("offlineimap"), "-c", str(rc), "-o", "-u", "basic"))
    assert count(maildir) == 2


def test_neomutt(recipe: Callable[..., Path], authorization_server: AuthorizationServer, smtp_sink: SmtpSink) -> None:
    rc = recipe("clients/neomuttrc")
    rc.write_text(f"{rc.read_text()}\nset ssl_ca_certificates_file = {authorization_server.ca_file}")
    before = len(smtp_sink.messages)
    ok(run(programs.find("neomutt"), "-F", str(rc), "-n", "-s", "recipe", "bob@example.org", stdin="Hello.\n"))
    assert b"Subject: recipe" in smtp_sink.messages[before]
    assert "Message 2" in on_a_terminal("neomutt", "-F", str(rc), "-n", until="Message 2")


def test_aerc(recipe: Callable[..., Path], home: Path, smtp_sink: SmtpSink) -> None:
    programs.find("aerc")
    recipe("clients/aerc-accounts.conf", to=".config/aerc/accounts.conf")
    (home / ".config/aerc/aerc.conf").write_text("[compose]\neditor=true\n")
    before = len(smtp_sink.messages)
    compose = ':compose -H "To: bob@example.org" -H "Subject: recipe"\r'
    # aerc draws only changed cells, so not always a whole word
    shown = on_a_terminal("aerc", typed={"Message 2": compose, "end this email?": "y"}, until="ssage sent")
    assert "Message 2" in shown
    assert "Subject: recipe" in smtp_sink.messages[before].decode()


# -- SMTP


def test_msmtp(recipe: Callable[..., Path], authorization_server: AuthorizationServer, smtp_sink: SmtpSink) -> None:
    rc = recipe("clients/msmtprc", "defaults", f"defaults\ntls_trust_file {authorization_server.ca_file}")
    before = len(smtp_sink.messages)
    ok(run(programs.find("msmtp"), "-C", str(rc), "bob@example.org", stdin=MESSAGE))
    assert b"Subject: recipe" in smtp_sink.messages[before]


# -- a message says what does not work


def test_a_sign_in_without_imap(
    recipe: Callable[..., Path], product: Product, authorization_server: AuthorizationServer
) -> None:
    assert product.login(authorization_server, ADDRESS, "--also", "none").returncode == 0
    rc = recipe("clients/mbsyncrc", "SSLType IMAPS", f"SSLType IMAPS\nCertificateFile {authorization_server.ca_file}")
    result = run(programs.find("mbsync"), "-c", str(rc), "-a")
    assert result.returncode != 0
    assert f"does not include IMAP\n  Run: oauth2-pop3 login {ADDRESS} --also imap\n" in result.stderr
