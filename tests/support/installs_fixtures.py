"""The fixture `workshop`. Tests that need it name this module in pytest_plugins, so that the others do not wait."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import programs
from support.installs import Workshop


@pytest.fixture(scope="session")
def _workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def workshop(_workshop: Workshop, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """The workshop, in an environment that leads nowhere else: no index, no settings of this machine's."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "PIPX_", "UV_", "PYTHON", "VIRTUAL_ENV", "PYENV_")):
            monkeypatch.delenv(name)
    for name, value in {
        "PATH": programs.SEARCH_PATH,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(_workshop.wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(home / "bin"),
        "PIPX_MAN_DIR": str(home / "man"),
        "PIPX_DEFAULT_BACKEND": "pip",
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_NO_CONFIG": "1",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(_workshop.wheels),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_DIR": str(home / "uv"),
        "UV_TOOL_BIN_DIR": str(home / "bin"),
    }.items():
        monkeypatch.setenv(name, value)
    before = set(_workshop.directory.iterdir())
    yield _workshop
    for path in set(_workshop.directory.iterdir()) - before:
        shutil.rmtree(path)
