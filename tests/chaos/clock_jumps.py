"""Lets the clock jump between runs of `oauth2-pop3 token`: a wrong clock at boot, a dead battery, a time server...

::

    python tests/chaos/clock_jumps.py             needs faketime

Each row is two jumps: a run with the clock moved by the first, one by the second, and one with the right clock. Every
run must print a token that the server still takes, and no refresh token may be lost.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos.refresh_kills import Families, prepare
from servers.stub import Request, StubResponse, stub

JUMPS = ("+0", "+1d", "+2h", "-1d", "-2m", "-10m", "-1h", "+20y", "@1970-01-02 00:00:00", "@2040-01-01 00:00:00")
ACCOUNT = "user-0@example.org"
LIFETIME = 3600


class Server(Families):
    """It knows when it gave an access token, by the right clock, and so whether it still takes it."""

    given: dict[str, float]

    def respond(self, request: Request) -> StubResponse:
        response = super().respond(request)
        document = response.document
        assert isinstance(document, dict)
        if "access_token" in document:
            self.given[document["access_token"]] = time.time()
        return response


def main() -> int:
    """Try all pairs of jumps, and print what went wrong."""
    command = str(Path(sys.executable).with_name("oauth2-pop3"))
    server = Server(1)
    server.given = {}
    bad = []
    with tempfile.TemporaryDirectory() as directory, stub(server.respond) as url:
        home = Path(directory)
        prepare(home, url)
        file = home / "state/oauth2-pop3/tokens" / f"{ACCOUNT}.json"
        pairs = list(itertools.product(JUMPS, JUMPS))
        for first, second in pairs:
            record = {"version": 1, "access_token": "x", "expires_at": 1, "refresh_token": server.begin(ACCOUNT)}
            for path in (home / "state/oauth2-pop3").rglob("*"):
                if path.is_file():
                    path.unlink()
            file.touch(mode=0o600)
            file.write_text(json.dumps(record))
            for jump in (first, second, "+0"):
                result = subprocess.run(
                    ["faketime", "-f", jump, command, "token", ACCOUNT], capture_output=True, text=True, check=False
                )
                given = server.given.get(result.stdout.strip())
                stored = json.loads(file.read_text())["refresh_token"]
                if result.returncode or given is None or time.time() - given > LIFETIME:
                    bad.append(f"{first}, {second}: at {jump}: exit code {result.returncode} {result.stderr}")
                if stored != server.current.get(ACCOUNT):
                    bad.append(f"{first}, {second}: at {jump}: the refresh token was lost")
    print(f"{len(pairs)} pairs of jumps, {3 * len(pairs)} runs, {len(bad)} bad", *bad, sep="\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
