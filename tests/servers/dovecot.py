"""Dovecot 2.3, the POP3 server, with a maildrop for whoever signs in; and IMAP and submission if they are wanted."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from servers import ports, programs
from servers.authorization_server import DOVECOT, AuthorizationServer
from servers.certificates import Certificates, Kind

HOST = ports.HOST

CONFIGURATION = Template("""\
base_dir = $directory/base
state_dir = $directory/state
log_path = $directory/dovecot.log
protocols = $protocols
listen = $host
mail_location = maildir:$directory/mail/%u
mail_uid = $uid
mail_gid = $gid
first_valid_uid = $uid
first_valid_gid = $gid
pop3_lock_session = $lock_session
ssl = yes
ssl_cert = <$certificate
ssl_key = <$key
auth_mechanisms = $mechanisms
disable_plaintext_auth = yes
auth_failure_delay = 0
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $directory/oauth2.conf.ext
}
passdb {
  driver = static
  mechanisms = plain login
  args = password=$password
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$directory/mail/%u
}
service anvil {
  # Else failures from one address stall for 0.5, 4, 8, 15 seconds.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = $pop3_port
  }
  inet_listener pop3s {
    port = $pop3s_port
    ssl = yes
  }
}
""")

OTHER_PROTOCOLS = Template("""\
protocol imap {
  passdb {
    driver = oauth2
    mechanisms = xoauth2 oauthbearer
    args = $directory/oauth2-imap.conf.ext
  }
}
protocol submission {
  passdb {
    driver = oauth2
    mechanisms = xoauth2 oauthbearer
    args = $directory/oauth2-submission.conf.ext
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap_port
  }
  inet_listener imaps {
    port = $imaps_port
    ssl = yes
  }
}
service submission-login {
  chroot =
  inet_listener submission {
    port = $submission_port
  }
}
namespace inbox {
  inbox = yes
}
hostname = localhost
submission_relay_host = $host
submission_relay_port = $relay_port
""")
"""IMAP wants a token with the scope `imap`, submission one with `smtp`: POP3's own opens neither."""

WITHOUT_ROOT = Template("""\
default_internal_user = $user
default_login_user = $user
default_internal_group = $group
service anvil {
  chroot =
}
service pop3-login {
  chroot =
}
""")

INTROSPECTION = Template("""\
introspection_mode = post
introspection_url = https://$client_id:$client_secret@$authority/token/introspection
force_introspection = yes
active_attribute = active
active_value = true
username_attribute = username
scope = $scope
openid_configuration_url = https://$authority/.well-known/openid-configuration
tls_ca_cert_file = $ca_file
timeout_msecs = ${introspection_seconds}000
""")


class Dovecot:
    """A running Dovecot; as a context manager it starts and stops.

    It takes an access token of the authorization server's with scope `mail` for the user it was issued to, or
    anybody with `password`. certificate: which one it shows. mechanisms: what its SASL offers. lock_session:
    one session a maildrop. relay_port: where an SMTP server is that takes mail; with it there are IMAP and submission.
    introspection_seconds: how long the authorization server may take. settings: lines to add to its configuration.
    """

    host = HOST
    password = "correct-horse-battery-staple"

    def __init__(
        self,
        certificates: Certificates,
        authorization_server: AuthorizationServer,
        *,
        certificate: Kind = "good",
        mechanisms: tuple[str, ...] = ("plain", "xoauth2", "oauthbearer"),
        lock_session: bool = False,
        relay_port: int = 0,
        introspection_seconds: int = 60,
        settings: str = "",
    ) -> None:
        self.pop3_port = 0
        self.pop3s_port = 0
        self.imap_port = 0
        self.imaps_port = 0
        self.submission_port = 0
        self._relay_port = relay_port
        self._account = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        # Under /tmp, because a Unix socket's path is limited to about 100 characters, and pytest's directories are
        # closed to the users that Dovecot runs as.
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
        self.directory.chmod(0o755)
        self._own(self.directory / "mail")
        self._log_file = self.directory / "dovecot.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = settings
        self._values = {
            "directory": self.directory,
            "host": HOST,
            "uid": self._account.pw_uid,
            "gid": self._account.pw_gid,
            "user": self._account.pw_name,
            "group": grp.getgrgid(self._account.pw_gid).gr_name,
            "certificate": certificates.pem(certificate),
            "key": certificates.key(certificate),
            "mechanisms": " ".join(mechanisms),
            "lock_session": "yes" if lock_session else "no",
            "protocols": "pop3 imap submission" if relay_port else "pop3",
            "relay_port": relay_port,
            "introspection_seconds": introspection_seconds,
            "password": self.password,
            "ca_file": shutil.copy(certificates.ca_file, self.directory),
            "authority": urlsplit(authorization_server.issuer).netloc,
            **DOVECOT._asdict(),
        }

    def start(self) -> None:
        """Run on two ports that are free now; on others if one is taken in the meantime."""
        for _ in range(3):
            if self._start():
                return
        raise RuntimeError(f"Dovecot does not start:\n{self.log()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            with suppress(ProcessLookupError):  # the whole group: open sessions outlive the master
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def break_sessions(self) -> None:
        """Kill every process that serves a session, as a server's crash would."""
        assert self._process is not None
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "stat").read_text().replace("(", "").replace(")", "").split()
                if words[1].startswith("pop3") and int(words[5]) == self._process.pid:
                    os.kill(int(words[0]), signal.SIGKILL)

    # --- maildrops

    def add_messages(self, user: str, count: int, *, size: int = 2000) -> list[bytes]:
        """Put messages of about this many bytes into the user's maildrop; returns them as they are stored.

        Line endings are LF there, CRLF in what POP3 returns. UIDLs come in the order of the messages.
        """
        messages = [message(number, user, size) for number in range(1, count + 1)]
        self._maildir(user)
        for number, text in enumerate(messages, 1):
            self.deliver(user, text, number)
        return messages

    def deliver(self, user: str, text: bytes, number: int = 0, *, name: str = "") -> None:
        """Put one message into the user's maildrop. number: its place among those of the same moment.

        name: of its file, if that matters; they are served in the order of their names.
        """
        name = name or f"{time.time():.6f}.{number:06}_{uuid.uuid4().hex[:8]}.tests"
        path = self._maildir(user) / "new" / name
        path.write_bytes(text.replace(b"\r\n", b"\n"))
        os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def count(self, user: str) -> int:
        """How many messages are in the maildrop."""
        maildir = self._maildir(user)
        return sum(len(list((maildir / folder).iterdir())) for folder in ("new", "cur"))

    def names(self, user: str) -> list[str]:
        """The names of the files in the maildrop, without their flags."""
        maildir = self._maildir(user)
        return sorted(path.name.partition(":")[0] for folder in ("new", "cur") for path in (maildir / folder).iterdir())

    def clear(self, user: str) -> None:
        """Empty the maildrop."""
        maildir = self._maildir(user)
        for folder in ("new", "cur"):
            for path in (maildir / folder).iterdir():
                path.unlink()

    # --- inside

    def _start(self) -> bool:
        names = ("pop3_port", "pop3s_port", "imap_port", "imaps_port", "submission_port")
        values = self._values | {name: ports.free() for name in names}
        for name in names:
            setattr(self, name, values[name])
        text = CONFIGURATION.substitute(values)
        if self._relay_port:
            # Before the other passdbs: all are asked, in order, and the first that takes the token wins.
            text = text.replace("passdb {", "protocol pop3 {\npassdb {", 1)
            text = text.replace("conf.ext\n}", "conf.ext\n}\n}", 1)
            text += OTHER_PROTOCOLS.substitute(values)
        if os.geteuid() != 0:
            text += WITHOUT_ROOT.substitute(values)
        configuration = self.directory / "dovecot.conf"
        configuration.write_text(text + self._settings)
        for name, scope in (("oauth2", "mail"), ("oauth2-imap", "imap"), ("oauth2-submission", "smtp")):
            introspection = self.directory / f"{name}.conf.ext"
            introspection.write_text(INTROSPECTION.substitute(values, scope=scope))
        with self._log_file.open("ab") as log:
            command = [programs.find("dovecot"), "-F", "-c", str(configuration)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 180
        while self._process.poll() is None:
            if self._greets():
                return True
            if time.monotonic() > deadline:
                self._process.kill()
            time.sleep(0.01)
        return False

    def _greets(self) -> bool:
        try:
            with socket.create_connection((HOST, self.pop3_port), timeout=5) as connection:
                return connection.recv(1000).startswith(b"+OK")
        except ConnectionError:
            return False

    def _maildir(self, user: str) -> Path:
        maildir = self.directory / "mail" / user
        if not maildir.exists():
            for path in (maildir, maildir / "new", maildir / "cur", maildir / "tmp"):
                self._own(path)
        return maildir

    def _own(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        os.chown(directory, self._account.pw_uid, self._account.pw_gid)


def message(number: int, user: str, size: int) -> bytes:
    """A valid message with what goes wrong easily: lines that begin with dots or From, 8-bit text."""
    head = (
        f"From: Tests <tests@servers.example>\n"
        f"To: <{user}>\n"
        f"Subject: Message {number}\n"
        f"Date: Mon, 02 Nov 2026 10:00:00 +0000\n"
        f"Message-ID: <{number}.{uuid.uuid4().hex}@servers.example>\n"
        f"MIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\n"
        f"Content-Transfer-Encoding: 8bit\n"
        f"\n"
        f"Message {number}: Grüße, 你好.\n"
        f".\n"
        f"..\n"
        f".a line that begins with a dot\n"
        f"From a line that an mbox would quote\n"
        f"\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog, again and again.\n"
    return head + line * max(0, (size - len(head)) // len(line))
