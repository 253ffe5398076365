"""Kills `oauth2-pop3 translate --write` and `--undo` at random moments, and looks at the host's file.

::

    python tests/chaos/translate_kills.py [--kills N] [--seed N]

Whatever the moment: the file is the old one or the new one, whole; if it is the new one, its backup has the old one. A
signal that Python does not catch may leave the temporary file, which a later run removes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
COMMAND = str(Path(sys.executable).with_name("oauth2-pop3"))
SAMPLES = {
    ".fetchmailrc": "# mine\npoll pop.gmail.com proto pop3\n"
    "  user 'ann@gmail.com' there password 'secret' is ann here ssl\n",
    ".mpoprc": "account a\nhost pop.gmail.com\nuser ann@gmail.com\npassword secret\ntls on\ndelivery mbox x\n",
    "getmailrc": "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = ann@gmail.com\n"
    "password = secret\n[destination]\ntype = Mboxrd\npath = ~/x\n",
}
BACKUP, UNDONE, TEMPORARY = ".before-oauth2-pop3", ".after-oauth2-pop3", ".tmp-oauth2-pop3"


def run(*arguments: str) -> float:
    """Run it to its end; returns the seconds that it took."""
    began = time.monotonic()
    subprocess.run([COMMAND, "translate", *arguments], check=True, capture_output=True)
    return time.monotonic() - began


def main() -> int:
    """Kill, and print a table; 1 if something was lost or left that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"HOME": directory, "XDG_CONFIG_HOME": f"{directory}/c", "XDG_STATE_HOME": f"{directory}/s"}
        new = {name: translated(Path(directory), name) for name in SAMPLES}
        for number in range(options.kills):
            name = generator.choice(list(SAMPLES))
            outcome = kill_once(Path(directory, str(number)), name, new[name], generator)
            outcomes[outcome] += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6} {outcome}")
    return int(any(outcome.startswith("BAD") for outcome in outcomes))


def translated(directory: Path, name: str) -> tuple[bytes, float]:
    """What the sample becomes, and the seconds that it takes."""
    file = directory / name
    file.write_text(SAMPLES[name])
    file.chmod(0o600)
    seconds = [run(str(file), "--write") for _ in range(1)]
    content = file.read_bytes()
    assert content != SAMPLES[name].encode()
    seconds += [run(str(file), "--undo")]
    return content, statistics.median(seconds)


def kill_once(directory: Path, name: str, new: tuple[bytes, float], generator: random.Random) -> str:
    """One run and one signal; what it left, in words."""
    directory.mkdir()
    file = directory / name
    file.write_text(SAMPLES[name])
    file.chmod(0o600)
    action = generator.choice(["--write", "--undo"])
    if action == "--undo":
        run(str(file), "--write")
    command = [COMMAND, "translate", str(file), action]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    number = generator.choice(SIGNALS)
    time.sleep(generator.uniform(0.7, 1.1) * new[1])
    with suppress(ProcessLookupError):
        process.send_signal(number)
    process.wait()
    old, (translation, _) = SAMPLES[name].encode(), new
    content = file.read_bytes()
    there = {path.name for path in directory.iterdir()}
    left = {path for path in there if path.endswith(TEMPORARY)}
    if content not in (old, translation):
        return f"BAD: {action} left neither the old nor the new file"
    if content == translation and not any(
        path.read_bytes() == old for path in directory.iterdir() if path.name.startswith(f"{name}{BACKUP}")
    ):
        return f"BAD: {action} left the new file without a backup"
    if there - left - {name, f"{name}{BACKUP}", f"{name}{UNDONE}"}:
        return f"BAD: {action} left {there}"
    if left and number == signal.SIGINT:
        return f"BAD: {action} left a temporary file at {number.name}"
    which = "the old file" if content == old else "the new file"
    return f"{action}: {which}{', and a temporary one' if left else ''}"


if __name__ == "__main__":
    sys.exit(main())
