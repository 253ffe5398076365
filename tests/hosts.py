"""fetchmail and mpop, as a user has them: real programs with their own files in the home of the test."""

from __future__ import annotations

import email
import subprocess
from pathlib import Path

from product import Completed, run
from servers import programs


class Fetchmail:
    """fetchmail, which puts each message into a file."""

    def __init__(self, home: Path) -> None:
        self.command = programs.find("fetchmail")
        self.rc = home / ".fetchmailrc"
        self.delivered = home / "delivered"
        self.delivered.mkdir()
        self._home = home

    def configure(self, text: str) -> None:
        """Write its file. `{mda}` is what delivers."""
        mda = f'mda "cat > {self.delivered}/$$"'
        self.rc.write_text(text.replace("{mda}", mda))
        self.rc.chmod(0o600)

    def run(self, *arguments: str, timeout: float = 100) -> Completed:
        """Poll once."""
        options = ("-f", str(self.rc), "--pidfile", str(self._home / "pid"), "--idfile", str(self._home / ".fetchids"))
        return run(self.command, *options, "--nosyslog", *arguments, timeout=timeout)

    def message_ids(self) -> list[str]:
        """The Message-IDs of what was delivered: one that stands here twice was delivered twice."""
        return sorted(_message_id(path) for path in self.delivered.iterdir())


class Mpop:
    """mpop, with a Maildir."""

    def __init__(self, home: Path) -> None:
        self.command = programs.find("mpop")
        self.rc = home / ".mpoprc"
        self.maildir = home / "Maildir"
        for name in ("cur", "new", "tmp"):
            (self.maildir / name).mkdir(parents=True)

    def configure(self, text: str) -> None:
        """Write its file. `{delivery}` is what delivers."""
        self.rc.write_text(text.replace("{delivery}", f"delivery maildir {self.maildir}"))
        self.rc.chmod(0o600)

    def run(self, *arguments: str, timeout: float = 100) -> Completed:
        """Fetch all accounts."""
        return run(self.command, "-q", "-a", *arguments, timeout=timeout)

    def message_ids(self) -> list[str]:
        """As of Fetchmail."""
        return sorted(_message_id(path) for path in (self.maildir / "new").iterdir())


def _message_id(path: Path) -> str:
    return str(email.message_from_bytes(path.read_bytes())["message-id"])


def said(result: subprocess.CompletedProcess[str]) -> str:
    """All that it said, for a message."""
    return f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
