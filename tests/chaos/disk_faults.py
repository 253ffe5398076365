"""Makes system calls of `oauth2-pop3 token` fail on its files, and counts the refresh tokens that are lost.

::

    python tests/chaos/disk_faults.py [--command OAUTH2-POP3]          needs strace

strace(1) lets the n-th call of a kind fail once, in the process that stores, with the errors that disks and systems
have. The authorization server replaces the refresh token at each use. A refresh token is lost if the one that is stored
afterwards is not the server's current one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos.refresh_kills import WORKERS, Families, prepare
from servers.stub import stub

CALLS = (
    *("openat", "fallocate", "pwrite64", "ftruncate", "fsync", "rename", "close", "fchmod", "unlink", "mkdir"),
    *("newfstatat", "lseek", "read", "write", "flock"),
)
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EMFILE", "EROFS", "EINTR", "EINVAL")
MOST = 6
"""How many calls of a kind are tried, one after the other."""


def attempt(command: str, home: Path, families: Families, account: str, call: str, error: str, number: int) -> str:
    """One refresh with one fault; what came of it."""
    tokens = home / "state/oauth2-pop3/tokens"
    file = tokens / f"{account}.json"
    before = families.begin(account)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"version": 1, "access_token": "x", "expires_at": 1, "refresh_token": before}))
    (home / "state/oauth2-pop3/access" / account).unlink(missing_ok=True)
    log = home / f"strace-{account}"
    paths = [tokens, file, f"{file}.tmp", home / "state/oauth2-pop3/access", home / "state/oauth2-pop3/locks" / account]
    only = [word for path in paths for word in ("-P", str(path))]
    inject = f"inject={call}:error={error}:when={number}"
    traced = ["strace", "-f", "-qq", "-o", str(log), *only, "-e", f"trace={call}", "-e", inject]
    result = subprocess.run(
        [*traced, command, "token", account], capture_output=True, text=True, timeout=120, check=False
    )
    if "INJECTED" not in log.read_text():
        return "not met"
    if "Traceback" in result.stderr:
        return f"traceback: {result.stderr[-300:]}"
    current = families.current.get(account)
    try:
        stored = json.loads(file.read_text())["refresh_token"]
    except (OSError, ValueError, KeyError):
        stored = None
    if stored != current:
        return "lost"
    if current == before:
        return f"refused before the server was asked, exit code {result.returncode}"
    return f"stored, exit code {result.returncode}"


def main() -> int:
    """Try all of them, and print a table; 1 if a token was lost or a traceback seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(Path(sys.executable).with_name("oauth2-pop3")))
    options = parser.parse_args()
    families = Families(1)
    outcomes: Counter[tuple[str, str]] = Counter()
    bad = []
    accounts = [f"user-{number}@example.org" for number in range(WORKERS)]
    with tempfile.TemporaryDirectory() as directory, stub(families.respond) as url:
        home = Path(directory)
        os.umask(0o077)
        prepare(home, url)
        (home / "state/oauth2-pop3/access").mkdir(mode=0o700)

        def work(place: int) -> None:
            for call, error in list(itertools.product(CALLS, ERRORS))[place::WORKERS]:
                for number in range(1, MOST + 1):
                    outcome = attempt(options.command, home, families, accounts[place], call, error, number)
                    if outcome == "not met":
                        break
                    outcomes[call, outcome] += 1
                    if outcome.startswith(("lost", "traceback")):
                        bad.append((call, error, number, outcome))

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(work, range(WORKERS)))
    for (call, outcome), count in sorted(outcomes.items()):
        print(f"{call:12} {count:5}  {outcome}")
    print(f"{sum(outcomes.values())} faults, {len(bad)} bad: {bad}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
