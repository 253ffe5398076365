"""What a benchmark needs, looked for before it starts: one sentence that says what to install, and exit code 2."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

NODE_MODULES = Path(__file__).parents[1] / "servers/authorization_server/node_modules"
SEARCH_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
DEBIAN = {"dovecot": "dovecot-core dovecot-pop3d", "node": "nodejs npm"}
"""Names of Debian's packages, if they differ from the program's."""
OURS = {"oauth2-pop3", "getmail"}
"""Programs that are beside the interpreter of the virtual environment."""


def programs(*names: str) -> None:
    """End the benchmark if one of these is missing."""
    missing = [name for name in names if not shutil.which(name, path=SEARCH_PATH)]
    if not OURS.isdisjoint(missing):
        environment(" and ".join(missing))
    if missing:
        packages = " ".join(DEBIAN.get(name, name) for name in missing)
        _end(f"needs {', '.join(missing)}: apt-get install --no-install-recommends {packages}")
    if "node" in names and not NODE_MODULES.is_dir():
        _end(f"needs the authorization server: npm ci --prefix {os.path.relpath(NODE_MODULES.parent)}")


def environment(name: str) -> NoReturn:
    """End the benchmark, since the interpreter has no such module or program."""
    _end(f"needs {name}: run it by .venv/bin/python, which `sh tests/run.sh --collect-only` makes")


def _end(sentence: str) -> NoReturn:
    print(f"{Path(sys.argv[0]).name} {sentence}", file=sys.stderr)
    sys.exit(2)
