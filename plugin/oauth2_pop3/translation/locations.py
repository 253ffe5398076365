"""The files that the hosts would read, for a user who names none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from oauth2_pop3.dialects import Dialect
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.host_file import HostFile

_NOT_IN_USE = re.compile(r"^\.|~$|\.(bak|old|orig|save|rej|dpkg-\w+)$|\.(before|after)-oauth2-pop3")
"""Names of copies in a host's directory: those of editors and packages, and our backups."""


def find(dialects: Iterable[Dialect], *, with_backup: bool, warn: Callable[[str], None]) -> list[str]:
    """The files of these dialects, in their usual places. Raises ConfigError if there is none.

    with_backup: only files that have a backup to put back.
    warn: is told of each place that is left out because this user may not read it.
    """
    found: list[str] = []
    looked: list[str] = []
    for dialect in dialects:
        for location in dialect.locations:
            looked.append(location)
            place = _expanded(location)
            try:
                files = _readable_files(place, warn)
                if with_backup:
                    found += [str(file) for file in files if HostFile.has_backup(file)]
                else:
                    found += [str(file) for file in files if file == place or _is_recognised(file, dialect)]
            except OSError as error:
                warn(f"{place} is left out: {error.strerror}")
    if not found:
        what, option = ("backup", " --undo") if with_backup else ("configuration file", "")
        raise ConfigError(
            f"found no {what} in {', '.join(looked)}", hint=f"Name the file: oauth2-pop3 translate FILE{option}"
        )
    return found


def _expanded(location: str) -> Path:
    config_home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(location.replace("~/.config", config_home)).expanduser()


def _readable_files(place: Path, warn: Callable[[str], None]) -> Iterator[Path]:
    """The file at this place, or the files in this directory that are not mere copies."""
    inside = sorted(place.iterdir()) if place.is_dir() else None
    for file in [place] if inside is None else [file for file in inside if not _NOT_IN_USE.search(file.name)]:
        if not file.is_file():
            continue
        if os.access(file, os.R_OK):
            yield file
        else:
            warn(f"{file} is left out: this user may not read it")


def _is_recognised(file: Path, dialect: Dialect) -> bool:
    try:
        return dialect.recognises(str(file), HostFile.read(str(file)).content)
    except ConfigError:  # too large, for example: getmail remembers the messages of a mailbox there
        return False
