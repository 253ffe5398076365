"""fetchmail and mpop, as a user has them: real programs with their own files in the home of the test; and waiting."""

from __future__ import annotations

import email
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from servers import programs
from support.product import Completed, run


class Message(NamedTuple):
    """Of a message that was delivered. octets: of its body, so that a part of one shows."""

    subject: str
    octets: int


class Fetchmail:
    """fetchmail, which puts each message into a file."""

    def __init__(self, home: Path) -> None:
        self.rc = home / ".fetchmailrc"
        self.delivered = home / "delivered"
        self.delivered.mkdir(parents=True)
        self.batch = home / "batch"
        self.id_file = home / ".fetchids"
        options = ("-f", str(self.rc), "--pidfile", str(home / "pid"), "--idfile", str(self.id_file), "--nosyslog")
        self.command = (programs.find("fetchmail"), *options)

    def configure(self, text: str) -> None:
        """Write its file. `{mda}` is what delivers; `{bsmtp}` too, without a process a message."""
        mda, bsmtp = f'mda "cat > {self.delivered}/$$"', f'is "ann" here bsmtp "{self.batch}"'
        self.rc.write_text(text.replace("{mda}", mda).replace("{bsmtp}", bsmtp))
        self.rc.chmod(0o600)

    def run(self, *arguments: str, timeout: float = 180) -> Completed:
        """Poll once."""
        return run(*self.command, *arguments, timeout=timeout)

    @contextmanager
    def daemon(self, seconds: int) -> Iterator[subprocess.Popen[bytes]]:
        """Poll again and again, at this interval in seconds, until it is terminated."""
        command = [*self.command, "--nodetach", "--daemon", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()

    def remembered(self) -> list[str]:
        """Its memory of what it has seen: "user@host unique-id" each."""
        return sorted(self.id_file.read_text().splitlines()) if self.id_file.exists() else []

    def messages(self) -> list[Message]:
        """What was delivered; a message that is listed twice was delivered twice."""
        found = [_message(path.read_bytes()) for path in self.delivered.iterdir()]
        if self.batch.exists():
            batch = self.batch.read_bytes().replace(b"\r\n", b"\n")
            found += [_message(data.partition(b"\nDATA\n")[2]) for data in batch.split(b"\n.\n") if b"\nDATA\n" in data]
        return sorted(found)

    def message_ids(self) -> list[str]:
        """The Message-IDs of what was delivered; one that is listed twice was delivered twice."""
        return sorted(_message_id(path) for path in self.delivered.iterdir())


class Mpop:
    """mpop, with a Maildir."""

    def __init__(self, home: Path) -> None:
        self.command = programs.find("mpop")
        self.rc = home / ".mpoprc"
        self.uidls_file = home / ".mpop_uidls"
        self.maildir = home / "Maildir"
        for name in ("cur", "new", "tmp"):
            (self.maildir / name).mkdir(parents=True)

    def configure(self, text: str) -> None:
        """Write its file. `{delivery}` is what delivers."""
        seen = "" if "uidls_file" in text else f"\nuidls_file {self.uidls_file}"
        self.rc.write_text(text.replace("{delivery}", f"delivery maildir {self.maildir}{seen}"))
        self.rc.chmod(0o600)

    def run(self, *arguments: str, timeout: float = 180) -> Completed:
        """Fetch all accounts."""
        return run(self.command, "-q", "-a", "-C", str(self.rc), *arguments, timeout=timeout)

    def remembered(self) -> list[str]:
        """Its memory of what it has seen, if the file has `uidls_file`."""
        return sorted(self.uidls_file.read_text().splitlines()) if self.uidls_file.exists() else []

    def messages(self) -> list[Message]:
        """As of Fetchmail."""
        return sorted(_message(path.read_bytes()) for path in (self.maildir / "new").iterdir())

    def message_ids(self) -> list[str]:
        """As of Fetchmail."""
        return sorted(_message_id(path) for path in (self.maildir / "new").iterdir())


def _message_id(path: Path) -> str:
    return str(email.message_from_bytes(path.read_bytes())["message-id"])


def _message(data: bytes) -> Message:
    message = email.message_from_bytes(data)
    return Message(str(message["subject"]), len(str(message.get_payload())))


def said(result: subprocess.CompletedProcess[str]) -> str:
    """All that it said, for a message."""
    return f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"


def connected(process: subprocess.Popen[Any]) -> bool:
    """Whether it has a socket: to a server, or to its plugin."""
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            if os.readlink(file).startswith("socket:"):
                return True
    return False


def until(holds: Callable[[], object]) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
