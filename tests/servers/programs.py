"""Where the programs are that the tests need, and what becomes of a test whose program is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])

allowed = True
"""Whether programs may be used; with --quick they may not, and a test that needs one is skipped."""

NODE_MODULES = Path(__file__).with_name("authorization_server") / "node_modules"


def find(*names: str) -> str:
    """The path of the first of these programs that is installed; skips the test if none is."""
    not_quick(names[0])
    paths = (shutil.which(name, path=SEARCH_PATH) for name in names)
    return next(filter(None, paths), None) or missing(f"{names[0]} is not installed")


def not_quick(name: str) -> None:
    """Skip this test with --quick, for it needs a program or server of that name."""
    if not allowed:
        pytest.skip(f"needs {name}, which --quick does without")


def find_node() -> str:
    """Node.js, with what package-lock.json names beside it."""
    node = find("node", "nodejs")
    if not NODE_MODULES.is_dir():
        missing(f"no {NODE_MODULES.name} in {NODE_MODULES.parent}: run `npm ci` there")
    return node


def missing(reason: str) -> NoReturn:
    """Skip this test, or fail it if OAUTH2_POP3_NOTHING_SKIPPED=1 says that nothing may be skipped."""
    reason += " (tests/run.sh installs it)"
    if os.environ.get("OAUTH2_POP3_NOTHING_SKIPPED") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
