"""Kills of a program that delivers mail, at random moments, and what they cost: messages lost, and messages doubled."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)\r?\n", re.IGNORECASE | re.MULTILINE)


class Host(Protocol):
    """A program that is run again and again on one maildrop of a known number of messages."""

    @property
    def command(self) -> list[str]:
        """What runs it once."""

    @property
    def delivered(self) -> Path:
        """The directory in which each message becomes a file."""

    def fill(self) -> int:
        """Forget everything, fill the maildrop; return the number of messages."""

    def strike(self, process: subprocess.Popen[bytes]) -> str:
        """Kill it, or something that it depends on; return the word for that in the table."""

    def remains(self) -> str:
        """What is wrong after the last run besides the messages, or ""."""


@dataclass
class Tally:
    """What the kills of one row did.

    most: the messages that one kill doubled, at most. torn: files that do not even have a whole header.
    """

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    lost: int = 0
    doubled: int = 0
    most: int = 0
    torn: int = 0
    remains: list[str] = field(default_factory=list)

    def row(self) -> str:
        signals = " ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        torn = [f"{self.torn} torn"] if self.torn else []
        wrong = "; ".join(torn + sorted(set(self.remains))) or "-"
        total = self.kills.total()
        mean = f"{self.doubled / total:.1f}" if total else "-"
        return f"| {self.name} | {total} ({signals}) | {self.lost} | {self.doubled} | {mean} | {self.most} | {wrong} |"


HEAD = """\
| | kills | lost | doubled | by one kill | by one kill, at most | wrong at the end |
|---|---|---|---|---|---|---|"""


def message_ids(directory: Path) -> Counter[bytes]:
    """The Message-IDs of what was delivered, and how often each was."""
    matches = (_MESSAGE_ID.search(path.read_bytes()) for path in directory.iterdir())
    return Counter(match[1] for match in matches if match)


def doubled(ids: Counter[bytes]) -> int:
    return ids.total() - len(ids)


def one_round(host: Host, tally: Tally, kills: int) -> None:
    """Fill the maildrop, kill the program up to this many times, and let it run to its end."""
    number = host.fill()
    tally.rounds += 1
    before = Counter[bytes]()
    for _ in range(kills):
        if word := run_and_kill(host, random.randint(0, max(1, number - len(before)))):
            tally.kills[word] += 1
        before = _count(host, tally, before)
    last = run_to_its_end(host.command)
    ids = _count(host, tally, before)
    tally.lost += number - len(ids)
    tally.doubled += doubled(ids)
    tally.torn += len(os.listdir(host.delivered)) - ids.total()
    if remains := host.remains() or last:
        tally.remains.append(remains)


def _count(host: Host, tally: Tally, before: Counter[bytes]) -> Counter[bytes]:
    ids = message_ids(host.delivered)
    tally.most = max(tally.most, doubled(ids) - doubled(before))
    return ids


def run_and_kill(host: Host, more: int) -> str:
    """Start it, and kill it soon after it has delivered so many more messages. Returns "" if it had ended by then."""
    before = len(os.listdir(host.delivered))
    process = subprocess.Popen(
        host.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and len(os.listdir(host.delivered)) < before + more:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.02 if more else 0.4))
    word = host.strike(process) if process.poll() is None else ""
    process.wait(120)
    return word


def send(process: subprocess.Popen[bytes], signals: Sequence[str]) -> str:
    """Send it one of these signals, and now and then to its children too; return its name."""
    name = random.choice(signals)
    with suppress(ProcessLookupError):
        (os.killpg if random.random() < 0.3 else os.kill)(process.pid, signal.Signals[f"SIG{name}"])
    return name


def run_to_its_end(command: list[str]) -> str:
    """Return what it says if it fails, or ""."""
    for _ in range(3):  # the session of the one that was killed may still have the maildrop
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        if result.returncode in (0, 1):  # fetchmail's 1: there was no new mail
            return ""
        time.sleep(1)
    return f"exit code {result.returncode}: {(result.stderr or result.stdout).strip().splitlines()[-1:]}"


def report(tallies: Iterable[Tally]) -> None:
    print(HEAD)
    for tally in tallies:
        print(tally.row(), flush=True)


def until_enough(tally: Tally, kills: int, step: Callable[[], None]) -> None:
    """Repeat a step until there were so many kills; say on standard error how it goes."""
    while tally.kills.total() < kills:
        step()
        print(tally.row(), file=sys.stderr, flush=True)
