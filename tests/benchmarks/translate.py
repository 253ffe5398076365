"""What translating a file of 1 MB costs beside what its host takes to read it: seconds and ratios of one run.

::

    python tests/benchmarks/translate.py [--rounds N]

Needs oauth2-pop3, fetchmail, mpop and getmail installed. The peer is the host's own parser, on the same file:
`fetchmail --configdump`, `mpop --pretend`, `getmail --dump`. "dense" has as many accounts as fit, and "commented" is
as people write them; "one line" and what follows are as odd as can be. Each figure is the median of the rounds, of a
whole process.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path.pop(0)  # else token.py would be found where the standard library looks for its own
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import needs

SIZE = 1 << 20
COMMENT = "# The mail of this account is fetched every five minutes, and stays for two weeks.\n"
FETCHMAILRC = 'poll pop.gmail.com proto pop3 user "a{n}@gmail.com" password "x" is ann here ssl keep'
FETCHMAILRC_LINES = (
    f'{COMMENT}poll pop.gmail.com proto pop3\n\tuser "a{{n}}@gmail.com" there is "ann" here\n\tpassword "secret"\n'
    "\tssl sslcertck keep\n\n"
)
MPOPRC = (
    "account a{n}\nhost pop.gmail.com\ntls on\ntls_starttls off\nuser a{n}@gmail.com\npassword x\ndelivery mda cat\n"
)
GETMAILRC = (
    "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = ann@gmail.com\npassword = x\n"
    "[destination]\ntype = Maildir\npath = ~/Maildir/\n"
)


def repeated(one: str) -> str:
    """One account again and again, numbered, up to 1 MB."""
    count = SIZE // len(one.format(n=10_000))
    return "".join(one.format(n=number) for number in range(count))


FILES = {
    ("fetchmailrc", "dense"): repeated(f"{FETCHMAILRC}\n"),
    ("fetchmailrc", "commented"): repeated(FETCHMAILRC_LINES),
    ("fetchmailrc", "one line"): repeated(f"{FETCHMAILRC} "),
    ("fetchmailrc", "comments without an end"): "# " * (SIZE // 2),
    ("mpoprc", "dense"): repeated(MPOPRC),
    ("mpoprc", "commented"): repeated(COMMENT + MPOPRC + "\n"),
    ("getmailrc", "sections"): GETMAILRC + repeated("[filter{n}]\nname = value\n  and more of it\n# a comment\n"),
    ("getmailrc", "one line"): f"{GETMAILRC}[x]\na = {'x' * SIZE}\n",
    ("getmailrc", "blanks"): f"{GETMAILRC}[x]\na{' ' * SIZE}= y\n",
}


def seconds(command: list[str], home: Path, rounds: int) -> tuple[float, int]:
    """The median, and the exit code."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "USER": "x", "LOGNAME": "x"}
    took, code = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        code = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        took.append(time.perf_counter() - began)
    return statistics.median(took), code


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    needs.programs("oauth2-pop3", "getmail", "fetchmail", "mpop")
    here = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for directory in ("cur", "new", "tmp"):
            (home / "Maildir" / directory).mkdir(parents=True)
        file = home / "rc"
        peers = {
            "fetchmailrc": ["fetchmail", "--configdump", "-f", str(file)],
            "mpoprc": ["mpop", "-C", str(file), "--pretend", "a1"],
            "getmailrc": [str(here / "getmail"), "--dump", "--getmaildir", name, "--rcfile", "rc"],
        }
        print(f"{'dialect':12} {'file':24} {'translate':>10} {'host':>8} {'ratio':>6}  exit codes")
        for (dialect, kind), text in FILES.items():
            file.write_text(text)
            file.chmod(0o600)
            ours, code = seconds(
                [str(here / "oauth2-pop3"), "translate", str(file), "--dialect", dialect], home, rounds
            )
            theirs, their_code = seconds(peers[dialect], home, rounds)
            print(
                f"{dialect:12} {kind:24} {ours:9.2f}s {theirs:7.2f}s {ours / theirs:6.1f}  {code} {their_code}",
                flush=True,
            )


if __name__ == "__main__":
    main()
