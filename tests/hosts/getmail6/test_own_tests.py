"""getmail6's own tests pass with oauth2-pop3 installed as they do without it.

They are in its source distribution on PyPI, and are taken from there at each run: test/test.py and
test/test_mock_servers.py, which `make unittests` runs. What it has beside them is not for here: test/getmaildms.bats
(42 tests) wants Docker and the image docker-mailserver, is not in the source distribution, and neither is spam.eml,
which two tests read. There are no doctests.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from servers import programs
from support.installs import Workshop
from support.product import run

pytest_plugins = ["support.installs_fixtures"]

GETMAIL = "getmail6==6.20.2"

LEFT_OUT = {
    "test_imap_ssl_parameters": "signs in to imap.gmail.com",
    "test_spam_1": "reads spam.eml, which is not in the source distribution",
    "test_spam_2": "the same",
}
MAY_FAIL = re.compile(r"\.test_imap\[|\.test_full_imap$")
"""Four that play an IMAP server which is asked for its capabilities twice after LOGIN. imaplib of 3.11 to 3.13 asks
once, and they fail, plugin or not."""
TROUBLE = {"failure", "error", "skipped"}


@pytest.fixture(scope="session")
def source(_workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    directory = tmp_path_factory.mktemp("getmail6")
    pip = str(_workshop.tools / "bin/pip")
    # Its setup.py is run to find the version: pip needs setuptools, which it also gets from the index.
    result = run(
        pip,
        "download",
        "-q",
        "--retries=1",
        "--no-deps",
        "--no-binary=:all:",
        f"--dest={directory}",
        GETMAIL,
        timeout=300,
    )
    archives = list(directory.glob("*.tar.gz"))
    if result.returncode or not archives:
        programs.missing(f"the source distribution of getmail6 cannot be had: {result.stderr.strip()[-300:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(directory, filter="data")
    (unpacked,) = (path for path in directory.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture
def bench() -> Iterator[Path]:
    """A directory that any user can work in: getmail does not deliver as root, and pytest's directory is closed."""
    directory = Path(tempfile.mkdtemp(prefix="getmail6-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


class Runner:
    """The user who runs the tests: this one, or if it is root, as whom getmail does not deliver, one with a home."""

    def __init__(self) -> None:
        self.python = sys.executable
        self.account = pwd.getpwnam("mail") if os.geteuid() == 0 else None
        self.identity: dict[str, Any] = {}
        if self.account:
            self.identity = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
            bases = (str(Path(sys.base_prefix) / "bin/python3"), "/usr/bin/python3")
            found = filter(self.starts, bases)
            self.python = next(found, None) or programs.missing("no interpreter that other users may start")

    def starts(self, python: str) -> bool:
        try:
            result = subprocess.run([python, "-c", "import venv"], cwd="/", capture_output=True, **self.identity)
        except OSError:
            return False
        return result.returncode == 0


def outcomes(source: Path, python: Path, bench: Path, runner: Runner) -> dict[str, str]:
    """Run them in a copy of the source; returns "passed" or "failed" for each test."""
    directory = bench / f"run-{python.parts[-3]}"
    shutil.copytree(source, directory)
    shutil.rmtree(directory / "getmailcore")  # so that the installed one is tested, which is the same
    if runner.account:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, runner.account.pw_uid, runner.account.pw_gid)
    report = directory / "report.xml"
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={directory}/tmp",
        f"--junitxml={report}",
        *(f"--deselect=test/test.py::{name}" for name in LEFT_OUT),
        "test/test.py",
        "test/test_mock_servers.py",
    ]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "TMPDIR": str(directory), "LC_ALL": "C.UTF-8"}
    with (directory / "log").open("wb") as log:
        how: dict[str, Any] = {"cwd": directory, "env": environment, "stdout": log, "stderr": log}
        process = subprocess.Popen(command, start_new_session=True, **how, **runner.identity)
    # A failed test leaves a getmail behind that waits for its server, and pytest would wait for that getmail.
    deadline = time.monotonic() + 180
    while process.poll() is None and not complete(report) and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert complete(report), (directory / "log").read_text(errors="replace")[-3000:]
    return {
        f"{case.get('classname')}.{case.get('name')}": "+".join(sorted({child.tag for child in case} & TROUBLE))
        or "passed"
        for case in ElementTree.parse(report).iter("testcase")
    }


def complete(report: Path) -> bool:
    return report.exists() and report.read_bytes().rstrip().endswith(b"</testsuites>")


def test_they_pass_as_before(workshop: Workshop, source: Path, bench: Path) -> None:
    runner = Runner()
    wheel = str(workshop.build(source))
    pythons = []
    for name, ours in (("without", []), ("with", [str(workshop.wheel)])):
        venv = bench / name
        run(runner.python, "-m", "venv", "--without-pip", str(venv), check=True)
        workshop.pip("install", "pytest", wheel, *ours, python=venv)
        pythons.append(venv / "bin/python")
    known = [
        run(str(python), "-c", "import getmailcore.retrievers as r; getattr(r, 'oauth2-pop3')") for python in pythons
    ]
    assert [result.returncode for result in known] == [1, 0]

    before, after = (outcomes(source, python, bench, runner) for python in pythons)
    assert after == before
    failed = {name for name, outcome in before.items() if outcome != "passed"}
    assert {name for name in failed if not MAY_FAIL.search(name)} == set()
    assert len(before) - len(failed) >= 29
