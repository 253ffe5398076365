"""Kills `oauth2-pop3 login` at random moments, and looks at what it leaves.

::

    python tests/chaos/login_kills.py [--kills N] [--seed N]

Whatever the moment: config.toml can be read, a token that is stored can be revoked and deleted by `logout`, and a
second login works. What the server has given out and the killed process has not stored yet is lost; the person signs in
again. The table counts how often each happened.
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
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from servers.stub import Request, StubResponse, stub

ACCOUNT = "ann@example.org"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
COMMAND = str(Path(sys.executable).with_name("oauth2-pop3"))
LOGIN = [COMMAND, "login", ACCOUNT, "--provider", "x", "--grant", "password", "--password-command", "echo secret"]


class Server:
    """Gives tokens for a password, and revokes them."""

    def __init__(self, generator: random.Random) -> None:
        self.given: list[str] = []
        self.revoked: list[str] = []
        self._random = generator

    def respond(self, request: Request) -> StubResponse:
        if request.path == "/revoke":
            self.revoked.append(request.form["token"])
            return StubResponse(200)
        self.given.append(f"refresh-{len(self.given)}")
        time.sleep(self._random.expovariate(1 / 0.01))
        tokens = {"access_token": "a" * 800, "token_type": "Bearer", "expires_in": 3600, "scope": "mail"}
        return StubResponse(200, {**tokens, "refresh_token": self.given[-1]})


def kill_once(home: Path, server: Server, generator: random.Random, run_time: float) -> str:
    """One login, one signal; what it left, in words."""
    for path in (home / "state").rglob("*"):
        if path.is_file():
            path.unlink()
    server.given.clear()
    server.revoked.clear()
    process = subprocess.Popen(LOGIN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(generator.uniform(0, 1.1 * run_time))
    with suppress(ProcessLookupError):
        os.killpg(process.pid, generator.choice(SIGNALS))
    process.wait()
    file = home / "state/oauth2-pop3/tokens" / f"{ACCOUNT}.json"
    if not file.exists():
        assert run("status").returncode in (0, 78), run("status")
        return "nothing stored, a token given out" if server.given else "nothing stored, none given out"
    stored = json.loads(file.read_text())["refresh_token"]
    has_row = f'"{ACCOUNT}"' in (home / "config/oauth2-pop3/config.toml").read_text()
    result = run("logout", ACCOUNT)
    if result.returncode or stored not in server.revoked or file.exists():
        return f"STORED, AND NOT REVOKED by logout: {result.stderr}"
    return f"stored, {'with' if has_row else 'without'} its row in config.toml, revoked by logout"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


def main() -> int:
    """Kill, and print a table; 1 if something was left that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    server = Server(generator)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory, stub(server.respond) as url:
        home = Path(directory)
        (home / "config/oauth2-pop3").mkdir(mode=0o700, parents=True)
        (home / "state").mkdir(mode=0o700)
        os.environ |= {"HOME": directory, "XDG_CONFIG_HOME": f"{home}/config", "XDG_STATE_HOME": f"{home}/state"}
        config = home / "config/oauth2-pop3/config.toml"
        written = (
            f'[providers.x]\nauthorization_endpoint = "{url}/a"\ntoken_endpoint = "{url}/t"\nclient_id = "c"\n'
            f'revocation_endpoint = "{url}/revoke"\nscope = "mail"\nallow_insecure_loopback = true\n'
            'grants = ["password"]\n'
        )
        times = []
        for number in range(options.kills + 5):
            config.write_text(written)
            config.chmod(0o600)
            if number < 5:
                began = time.monotonic()
                subprocess.run(LOGIN, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                times.append(time.monotonic() - began)
            else:
                outcomes[kill_once(home, server, generator, statistics.median(times))] += 1
        config.write_text(written)
        subprocess.run(LOGIN, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6} {outcome}")
    return int(any(outcome.startswith("STORED") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
