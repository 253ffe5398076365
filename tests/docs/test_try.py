"""`sh contrib/try.sh` without Python, or without a part of it: as root it installs that, else it says what to install.

With a PATH of its own in which python3, apt-get and id are scripts of these tests. What the sandbox does then is tested
in tests/sandbox.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import CONTRIB
from support.product import Completed

GOOD = """\
case "$*" in
*"-m venv"*)
    mkdir -p "$3/bin"
    printf '#!/bin/sh\\necho "pip $*" >>"$CALLS"\\n' >"$3/bin/python"
    printf '#!/bin/sh\\necho "oauth2-pop3 $*"\\n' >"$3/bin/oauth2-pop3"
    chmod +x "$3/bin/python" "$3/bin/oauth2-pop3" ;;
esac
"""
WITHOUT_VENV = 'case "$*" in *ensurepip*) exit 1 ;; esac\n'
OLD = 'case "$*" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac\n'


class Machine:
    """A machine that has only a shell, and what a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.calls = directory / "calls"
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        for name in ("sh", "dirname", "mktemp", "rm", "mkdir", "chmod", "cp"):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.script("id", "echo 1000\n")

    def script(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return path

    def root(self) -> None:
        self.script("id", "echo 0\n")

    def apt_get(self, python: str = GOOD) -> None:
        """An apt-get whose python3-venv brings this python3."""
        new = self.bin.parent / "python3"
        new.write_text(f"#!/bin/sh\n{python}")
        new.chmod(0o755)
        install = f'echo "apt-get $*" >>"$CALLS"\ncase "$*" in *install*) cp {new} {self.bin}/python3 ;; esac\n'
        self.script("apt-get", install)

    def try_it(self, *arguments: str, **environment: str) -> Completed:
        command = [str(self.bin / "sh"), str(CONTRIB / "try.sh"), *arguments]
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "TMPDIR": str(self.temporary), **environment}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert list(self.temporary.iterdir()) == [], "it left something behind"
        return result

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def shown(result: Completed) -> str:
    """The output of an installation that went well."""
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


def test_python_is_there(machine: Machine) -> None:
    machine.script("python3", GOOD)
    assert shown(machine.try_it("--act", "google", "--keep")) == "oauth2-pop3 sandbox --act google --keep"
    (call,) = machine.called()
    assert call.startswith("pip -m pip install ")
    assert call.endswith(f"{CONTRIB.parent}[sandbox]")


@pytest.mark.parametrize("python", ["", WITHOUT_VENV], ids=["no Python", "no venv"])
def test_it_says_what_to_install(machine: Machine, python: str) -> None:
    machine.apt_get()
    if python:
        machine.script("python3", python)
    result = machine.try_it()
    assert result.returncode == 1
    assert "\n    apt-get install python3 python3-venv\n" in result.stderr
    assert result.stdout == ""
    assert machine.called() == [], "it is not for this user to install anything"


@pytest.mark.parametrize("python", ["", WITHOUT_VENV], ids=["no Python", "no venv"])
def test_root_installs_it(machine: Machine, python: str) -> None:
    machine.apt_get()
    machine.root()
    if python:
        machine.script("python3", python)
    assert shown(machine.try_it()) == "oauth2-pop3 sandbox"
    update, install, pip = machine.called()
    assert update.startswith("apt-get update ")
    assert install.endswith(" python3 python3-venv")
    assert pip.startswith("pip ")


@pytest.mark.parametrize("root", [False, True])
def test_a_distribution_whose_python_is_old(machine: Machine, root: bool) -> None:
    machine.script("python3", OLD)
    machine.apt_get(python=OLD)
    if root:
        machine.root()
    result = machine.try_it()
    assert result.returncode == 1
    assert "This python3 is 3.9.2." in result.stderr
    assert "apt-get install" not in result.stderr, "it has nothing newer"
    assert "PYTHON=" in result.stderr


@pytest.mark.parametrize("root", [False, True])
def test_a_machine_without_apt(machine: Machine, root: bool) -> None:
    if root:
        machine.root()
    result = machine.try_it()
    assert result.returncode == 1
    assert "Python 3.11 or later with its venv module is needed. Install it" in result.stderr
    assert "apt" not in result.stderr


def test_another_name_for_python(machine: Machine) -> None:
    machine.script("python3", OLD)
    assert shown(machine.try_it(PYTHON=str(machine.script("my-python", GOOD)))) == "oauth2-pop3 sandbox"
    machine.script("python3.12", GOOD)
    assert shown(machine.try_it(PYTHON="there-is-none")) == "oauth2-pop3 sandbox"


def test_pip_that_fails(machine: Machine) -> None:
    machine.script("python3", GOOD.replace('>>"$CALLS"', "; exit 1"))
    result = machine.try_it()
    assert result.returncode == 1
    assert "package index" in result.stderr


def test_it_is_the_shell_of_debian(machine: Machine) -> None:
    """dash, if there is one: no bashism."""
    dash = shutil.which("dash")
    if not dash:
        pytest.skip("there is no dash")
    (machine.bin / "sh").unlink()
    os.symlink(dash, machine.bin / "sh")
    machine.script("python3", GOOD)
    assert shown(machine.try_it()) == "oauth2-pop3 sandbox"
