"""Kills `oauth2-pop3 token` while it refreshes, and counts the refresh tokens that are lost.

::

    python tests/chaos/refresh_kills.py [--kills N] [--seed N] [--command OAUTH2-POP3]

The authorization server replaces the refresh token at each use, and ends all of them if an old one is used again. A
refresh token is lost if what is stored afterwards is not the server's current one. Half of the signals come at a random
moment of a run, the other half within 25 ms after the server has replaced the token. They go to the process that a user
has started, or to its process group. A last row kills the process that stores: nothing can help there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from servers.stub import Request, StubResponse, stub

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
STORING = "the storing process itself, SIGKILL"
WORKERS = 3


class Families:
    """The refresh tokens of each account: the one that is valid, and when it was last replaced."""

    def __init__(self, seed: int) -> None:
        self.current: dict[str, str] = {}
        self.replaced = {f"user-{number}@example.org": threading.Event() for number in range(WORKERS)}
        self._random = random.Random(seed)
        self._count = 0

    def begin(self, account: str) -> str:
        self._count += 1
        self.current[account] = f"{account}/{self._count}/" + "r" * 400
        return self.current[account]

    def respond(self, request: Request) -> StubResponse:
        token = request.form["refresh_token"]
        account = token.partition("/")[0]
        if self.current.get(account) != token:
            self.current.pop(account, None)
            return StubResponse(400, {"error": "invalid_grant"})
        replaced = self.begin(account)
        self.replaced[account].set()
        time.sleep(self._random.expovariate(1 / 0.01))
        tokens = {"access_token": "a" * 800 + str(self._count), "token_type": "Bearer", "expires_in": 3600}
        return StubResponse(200, {**tokens, "refresh_token": replaced})


class Worker:
    """One account, whose refreshes are killed one after the other."""

    def __init__(self, number: int, home: Path, families: Families, command: str, seed: int) -> None:
        self.lost: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.account = f"user-{number}@example.org"
        self._file = home / "state/oauth2-pop3/tokens" / f"{self.account}.json"
        self._lock = home / "state/oauth2-pop3/locks" / self.account
        self._families = families
        self._command = [command, "token", self.account, "--min-validity", "99999999"]
        self._random = random.Random(seed + number)
        self._sign_in()
        self._run_time = statistics.median(self._timed() for _ in range(5))

    def _sign_in(self) -> None:
        token = self._families.begin(self.account)
        record = {"version": 1, "access_token": "x", "expires_at": 1, "refresh_token": token}
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(record))

    def _timed(self) -> float:
        began = time.monotonic()
        subprocess.run(self._command, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    def kill(self, *, storing: bool = False) -> None:
        """One run, one signal, one look at what is stored."""
        number = self._random.choice(SIGNALS)
        group = self._random.random() < 0.5
        aimed = storing or self._random.random() < 0.5
        replaced = self._families.replaced[self.account]
        replaced.clear()
        process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if aimed:
            replaced.wait(30)
            time.sleep(self._random.uniform(0, 0.025))
        else:
            time.sleep(self._random.uniform(0, 1.2 * self._run_time))
        row = f"{number.name}, {'aimed' if aimed else 'at random'}, {'group' if group else 'process'}"
        with suppress(ProcessLookupError):
            if storing:
                row = STORING
                for child in _children(process.pid):
                    os.kill(child, signal.SIGKILL)
            elif group:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)
        process.wait()
        self._until_stored()
        self.killed[row] += 1
        if json.loads(self._file.read_text())["refresh_token"] != self._families.current.get(self.account):
            self.lost[row] += 1
            self._sign_in()

    def _until_stored(self) -> None:
        """Wait for the account's lock, as the next run would."""
        subprocess.run(["flock", "--timeout", "150", str(self._lock), "true"], check=True)


def _children(process: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def prepare(home: Path, url: str) -> None:
    """config.toml and the directories, as `login` leaves them."""
    os.environ |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
    }
    for directory in ("config/oauth2-pop3", "state/oauth2-pop3", "state/oauth2-pop3/tokens", "state/oauth2-pop3/locks"):
        (home / directory).mkdir(mode=0o700, parents=True)
    accounts = "".join(f'[accounts."user-{number}@example.org"]\nprovider = "x"\n' for number in range(WORKERS))
    config = home / "config/oauth2-pop3/config.toml"
    config.touch(mode=0o600)
    config.write_text(
        f'[providers.x]\nauthorization_endpoint = "{url}/a"\ntoken_endpoint = "{url}/t"\nclient_id = "c"\n'
        f'scope = "mail"\nallow_insecure_loopback = true\n{accounts}'
    )


def main() -> int:
    """Kill, and print a table; 1 if a token was lost that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", default=str(Path(sys.executable).with_name("oauth2-pop3")))
    options = parser.parse_args()
    families = Families(options.seed)
    with tempfile.TemporaryDirectory() as directory, stub(families.respond) as url:
        home = Path(directory)
        prepare(home, url)
        workers = [Worker(number, home, families, options.command, options.seed) for number in range(WORKERS)]

        def work(worker: Worker) -> None:
            for number in range(options.kills // WORKERS + 1):
                worker.kill()
                if not number % 20:
                    worker.kill(storing=True)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(work, workers))
        left = sorted(str(path.relative_to(home)) for path in home.rglob("*.tmp"))
    killed = sum((worker.killed for worker in workers), Counter())
    lost = sum((worker.lost for worker in workers), Counter())
    for row in sorted(killed):
        print(f"{row:45} {killed[row]:6} kills {lost[row]:6} refresh tokens lost")
    others = sum(count for row, count in killed.items() if row != STORING)
    count = sum(count for row, count in lost.items() if row != STORING)
    print(f"{'all but ' + STORING:45} {others:6} kills {count:6} refresh tokens lost")
    print(f"temporary files left: {left}")
    return int(bool(count))


if __name__ == "__main__":
    sys.exit(main())
