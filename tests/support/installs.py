"""Real installations: our wheel and its dependencies, installed by pip, pipx and uv from one directory of wheels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from servers import programs
from support import ROOT
from support.product import Completed, Getmail, run


class Workshop:
    """A directory of wheels from PyPI, filled once, and a venv with the tools. Needs the index only to be made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wheels = directory / "wheels"
        self.tools = directory / "tools"
        self._count = 0
        try:
            run(sys.executable, "-m", "venv", str(self.tools), check=True)
        except AssertionError as error:
            programs.missing(f"venv does not work: {error}")
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        pure = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.11")
        self._download(
            *pure, *project["dependencies"], "editables", "getmail6", "hatchling", "pip", "pytest", "setuptools"
        )
        for tool in ("pipx", "uv"):
            self._download("--only-binary=:all:", tool, must=False)
        self.pip("install", "--upgrade", "pip", "hatchling")
        self.wheel = self.build(ROOT)

    def _download(self, *what: str, must: bool = True) -> None:
        pip = (str(self.tools / "bin/pip"), "download", "-q", "--retries=1", f"--dest={self.wheels}")
        result = run(*pip, *what, timeout=300)
        if result.returncode and must:
            programs.missing(f"the package index cannot be reached: {result.stderr.strip()[-300:]}")

    def tool(self, name: str) -> str:
        """The path of a program from PyPI; skips the test if there is none for this machine."""
        path = self.tools / "bin" / name
        if not path.exists():
            try:
                self.pip("install", name)
            except AssertionError:
                programs.missing(f"{name} cannot be had from the package index")
        return str(path)

    def pip(self, *arguments: str, python: str | Path | None = None) -> Completed:
        """Run a current pip on an environment (python: a venv or an interpreter), from the directory of wheels."""
        on = ["--python", str(python)] if python else []
        first, *rest = arguments
        offline = [] if first == "uninstall" else ["--no-index", f"--find-links={self.wheels}"]
        return run(str(self.tools / "bin/pip"), *on, first, "-q", *offline, *rest, check=True, timeout=120)

    def build(self, source: Path, *, isolated: bool = True) -> Path:
        """The wheel that pip makes of a source tree or a source distribution, in a directory of its own.

        Without build isolation, pip uses the workshop's hatchling instead of installing it again.
        """
        self._count += 1
        directory = self.directory / f"built-{self._count}"
        how = [] if isolated else ["--no-build-isolation"]
        self.pip("wheel", "--no-deps", *how, f"--wheel-dir={directory}", str(source))
        (wheel,) = directory.iterdir()
        return wheel

    def build_sdist(self) -> Path:
        """The source distribution, made by hatchling."""
        directory = self.directory / "sdist"
        command = [str(self.tools / "bin/python"), "-m", "hatchling", "build", "-t", "sdist", "-d", str(directory)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (sdist,) = directory.iterdir()
        return sdist

    def venv(self, *requirements: str | Path, python: str = sys.executable) -> Path:
        """A new venv with these installed. (It has no pip of its own: making that takes longer than all the rest.)"""
        self._count += 1
        directory = self.directory / f"venv-{self._count}"
        run(python, "-m", "venv", "--without-pip", str(directory), check=True)
        if requirements:
            self.pip("install", *map(str, requirements), python=directory)
        return directory


def fresh_getmail(home: Path, *command: str | Path) -> Getmail:
    """This getmail, with an empty directory of its own."""
    for directory in (home / ".getmail", home / "Maildir"):
        shutil.rmtree(directory, ignore_errors=True)
    return Getmail(home, *map(str, command))


def assert_type_known(home: Path, *command: str | Path, kind: str = "oauth2-pop3", options: str = "") -> None:
    """Fail if this getmail does not accept `type = KIND`, or prints anything about it."""
    getmail = fresh_getmail(home, *command)
    getmail.configure(f"type = {kind}\nusername = ann@example.org\n{options}")
    result = getmail.run("--dump")
    assert result.returncode == 0, result.stderr
    assert re.search(rf"^  retriever:  {kind}\(", result.stdout, re.MULTILINE), result.stdout
    assert result.stderr == ""


def interpreter(version: str) -> str:
    """The path of a python3.X; skips the test if there is none."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~root" if os.geteuid() == 0 else "~").expanduser() / ".pyenv"))
    candidates = [sys.executable, *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))), shutil.which(name)]
    script = "import sys, venv; print('{}.{}'.format(*sys.version_info))"
    for candidate in filter(None, candidates):
        if run(candidate, "-c", script).stdout.strip() == version:
            return candidate
    pytest.skip(f"{name} is not installed (nor under ~/.pyenv); tests/run.sh does not install it")
