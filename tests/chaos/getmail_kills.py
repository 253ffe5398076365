"""Kill getmail at random moments, with our retriever type and with its own: what is lost, and what comes twice?

::

    python tests/chaos/getmail_kills.py [--kills N] [--stock N] [--signals KILL TERM HUP INT] [--seed N]

By the interpreter of the virtual environment that `sh tests/run.sh` makes. README.md says what is counted.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path[0] = os.path.dirname(sys.path[0])

import argparse
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chaos.kills import Tally, one_round, report, send, until_enough
from chaos.surroundings import Surroundings, surroundings
from servers.faulty_path import FaultyPath
from support.product import Getmail

MESSAGES = 40
MODES = {
    "keep": "read_all = false\ndelete = false",
    "delete": "read_all = false\ndelete = true",
    "delete, read_all": "read_all = true\ndelete = true",
}


@dataclass
class GetmailHost:
    """getmail with one rc file."""

    around: Surroundings
    getmail: Getmail
    address: str
    deletes: bool
    signals: list[str]

    @property
    def command(self) -> list[str]:
        return [*self.getmail.command, "--getmaildir", str(self.getmail.directory), "--rcfile", "getmailrc"]

    @property
    def delivered(self) -> Path:
        return self.getmail.maildir / "new"

    def fill(self) -> int:
        self.getmail.forget()
        self.around.dovecot.clear(self.address)
        self.around.dovecot.add_messages(self.address, MESSAGES, size=3000)
        return MESSAGES

    def strike(self, process: subprocess.Popen[bytes]) -> str:
        return send(process, self.signals)

    def remains(self) -> str:
        if (left := self.around.dovecot.count(self.address)) != (0 if self.deletes else MESSAGES):
            return f"{left} on the server"
        files = [path.name for path in self.getmail.directory.glob("*oldmail-*")]
        return "" if len(files) == 1 else f"{len(files)} files beside the rc file"


def rows(
    around: Surroundings, ports: dict[bool, int], options: argparse.Namespace
) -> Iterator[tuple[Tally, int, GetmailHost]]:
    """Each row of the table, how many kills it is to have, and its getmail."""
    for ours in (True, False):
        for mode, lines in MODES.items():
            for pipelining in (True, False):
                name = f"{'ours' if ours else 'stock'}, {mode}{'' if pipelining else ', no PIPELINING'}"
                address = f"{name.replace(', ', '.').replace(' ', '-').lower()}@example.org"
                directory = around.directory / address
                directory.mkdir()
                getmail = Getmail(directory)
                kind = "oauth2-pop3" if ours else "SimplePOP3SSLRetriever"
                password = "" if ours else f"password = {around.dovecot.password}"
                retriever = f"type = {kind}\nserver = localhost\nport = {ports[pipelining]}\nusername = {address}\n"
                getmail.configure(retriever + password)
                rc = getmail.directory / "getmailrc"
                rc.write_text(rc.read_text().replace("read_all = false", lines))
                host = GetmailHost(around, getmail, address, "delete = true" in lines, options.signals)
                if ours or pipelining:  # getmail's own types know no PIPELINING
                    yield Tally(name), options.kills if ours else options.stock, host


def main() -> int:
    parser = argparse.ArgumentParser(description="What kills of getmail cost.")
    parser.add_argument(
        "--kills", type=int, default=90, metavar="N", help="for each of the six rows with our type (%(default)s)"
    )
    parser.add_argument("--stock", type=int, default=10, metavar="N", help="for each row with getmail's (%(default)s)")
    parser.add_argument("--signals", nargs="*", default=["KILL", "KILL", "KILL", "TERM", "HUP", "INT"], metavar="NAME")
    parser.add_argument("--seed", type=int, default=None, metavar="N")
    options = parser.parse_args()
    random.seed(options.seed)
    tallies = []
    with surroundings() as around, ExitStack() as stack:
        path = stack.enter_context(FaultyPath(around.certificates, around.dovecot, pipelining=False))
        ports = {True: around.dovecot.pop3s_port, False: path.port}
        plan = list(rows(around, ports, options))
        around.sign_in(*(host.address for tally, _, host in plan if tally.name.startswith("ours")))
        for tally, count, host in plan:
            tallies.append(tally)
            until_enough(tally, count, partial(one_round, host, tally, 4))
        report(tallies)
    wrong = [t for t in tallies if t.lost or (t.name.startswith("ours") and (t.most > 1 or t.remains))]
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
