"""Starts the unmodified getmail when Python reads no .pth files (PYTHONPATH, pip install --target)."""

from __future__ import annotations

import importlib.util
import runpy
import shutil
import sys
from pathlib import Path

from oauth2_pop3 import startup
from oauth2_pop3.errors import ConfigError


def getmail_script() -> Path:
    """The getmail script beside this interpreter, beside its getmailcore, or on PATH. Raises ConfigError."""
    places = [Path(sys.executable).parent / "getmail"]
    core = importlib.util.find_spec("getmailcore")
    if core and core.origin:  # pip install --target puts bin beside the packages
        places.append(Path(core.origin).parents[1] / "bin" / "getmail")
    places.append(Path(shutil.which("getmail") or "/nonexistent"))
    for found in places:
        if found.is_file():
            with found.open("rb") as file:
                first = file.readline(200)
            if b"python" in first or found.suffix == ".py":
                return found
            raise ConfigError(f"{found} is not a Python script", hint="Install getmail6 into this environment.")
    raise ConfigError("getmail is not installed", hint="Run: pip install 'oauth2-pop3[getmail]'")


def launch(arguments: list[str]) -> None:
    """Run getmail in this process with our retriever type registered. It ends by SystemExit with its own exit code."""
    script = getmail_script()
    if importlib.util.find_spec("getmailcore") is None:
        raise ConfigError(
            f"{script} belongs to another Python: {sys.executable} has no getmailcore",
            hint="Run: pip install 'oauth2-pop3[getmail]'",
        )
    startup.install()
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")
