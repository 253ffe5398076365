"""Kill fetchmail with the bridge, and the bridge alone; and fetchmail without it, signed in by a password.

::

    python tests/chaos/fetchmail_kills.py [--kills N] [--signals KILL TERM HUP INT] [--seed N]

By the interpreter of the virtual environment that `sh tests/run.sh` makes. README.md says what is counted.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path[0] = os.path.dirname(sys.path[0])

import argparse
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chaos.kills import Tally, one_round, report, send, until_enough
from chaos.surroundings import Surroundings, surroundings
from servers.faulty_path import FaultyPath
from support.hosts import Fetchmail

MESSAGES = 40


@dataclass
class FetchmailHost:
    """fetchmail with one maildrop. path: what is between it and the server if there is no bridge."""

    around: Surroundings
    fetchmail: Fetchmail
    address: str
    keeps: bool
    bridge: bool
    path: FaultyPath
    signals: list[str]

    def configure(self) -> None:
        product, dovecot = self.around.product, self.around.dovecot
        ca_file = self.around.certificates.ca_file
        port = dovecot.pop3s_port if self.bridge else self.path.port
        plugin = f'plugin "{product.command} bridge %h %p --ca-certs {ca_file}"' if self.bridge else ""
        keep = "keep" if self.keeps else "fetchall"
        tls = "sslproto ''" if self.bridge else f'ssl sslcertck sslcertfile "{ca_file}"'
        self.fetchmail.configure(
            f"poll localhost service {port} proto pop3 uidl timeout 60 auth password {plugin}\n"
            f'  user "{self.address}" there password "{dovecot.password}" {tls} {keep}\n'
            f'  mda "cat > $(mktemp {self.delivered}/XXXXXXXXXX)"\n'
        )

    @property
    def command(self) -> list[str]:
        return list(self.fetchmail.command)

    @property
    def delivered(self) -> Path:
        return self.fetchmail.delivered

    def fill(self) -> int:
        self.fetchmail.id_file.unlink(missing_ok=True)
        shutil.rmtree(self.delivered)
        self.delivered.mkdir()
        self.around.dovecot.clear(self.address)
        self.around.dovecot.add_messages(self.address, MESSAGES, size=3000)
        return MESSAGES

    def strike(self, process: subprocess.Popen[bytes]) -> str:
        if self.signals:
            return send(process, self.signals)
        if not self.bridge:
            self.path.release()
            return "connection"
        for name in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(OSError):
                if b"bridge" in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0"):
                    os.kill(int(name), signal.SIGKILL)
                    return "bridge"
        return ""

    def remains(self) -> str:
        left = self.around.dovecot.count(self.address)
        return "" if left == (MESSAGES if self.keeps else 0) else f"{left} on the server"


def rows(around: Surroundings, path: FaultyPath, signals: list[str]) -> Iterator[tuple[Tally, FetchmailHost]]:
    for keeps in (True, False):
        for killed in (signals, []):
            for bridge in (True, False):
                what = "fetchmail" if killed else "the bridge" if bridge else "the connection"
                name = f"{'with the bridge' if bridge else 'alone'}, {'keep' if keeps else 'delete'}, {what} ends"
                address = f"{name.replace(', ', '.').replace(' ', '-')}@example.org"
                (around.directory / address).mkdir()
                host = FetchmailHost(
                    around, Fetchmail(around.directory / address), address, keeps, bridge, path, killed
                )
                host.configure()
                yield Tally(name), host


def main() -> int:
    parser = argparse.ArgumentParser(description="What kills of fetchmail and of the bridge cost.")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="for each row (%(default)s)")
    parser.add_argument("--signals", nargs="*", default=["KILL", "KILL", "KILL", "TERM", "HUP", "INT"], metavar="NAME")
    parser.add_argument("--seed", type=int, default=None, metavar="N")
    options = parser.parse_args()
    random.seed(options.seed)
    with surroundings() as around, FaultyPath(around.certificates, around.dovecot) as path:
        plan = list(rows(around, path, options.signals))
        around.sign_in(*(host.address for _, host in plan if host.bridge))
        for tally, host in plan:
            until_enough(tally, options.kills, partial(one_round, host, tally, 2))
        tallies = [tally for tally, _ in plan]
        report(tallies)
    return int(any(tally.lost for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
