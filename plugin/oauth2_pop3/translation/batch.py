"""A run over files on disk. Each is translated and written, or put back; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.files.host_file import HostFile, write_new
from oauth2_pop3.translation import locations
from oauth2_pop3.translation.translate import TranslatedFile, Translator, chosen_dialects


@dataclass(frozen=True)
class Translated:
    """A file was translated.

    changed: whether the translation differs from the file.
    backup: the file that keeps the old content; "" if nothing was written.
    """

    name: str
    file: TranslatedFile
    changed: bool
    backup: str = ""


@dataclass(frozen=True)
class Undone:
    """The backup of a file was put back. kept: where the content that it replaced was saved."""

    name: str
    backup: Path
    kept: Path


@dataclass(frozen=True)
class Failed:
    """A file could not be translated, or put back: it is as it was."""

    name: str
    error: OAuth2Pop3Error


def translate(
    names: Sequence[str], translator: Translator, *, write: bool, output: str, warn: Callable[[str], None]
) -> Iterator[Translated | Failed]:
    """Translate files; without names, those that the hosts would read. Raises ConfigError if it finds none.

    write: replace each file, and keep a backup beside it.
    output: the name of a new file for the translation; "" for none.
    warn: is told of each file that is left out.
    """
    names = names or locations.find(translator.dialects.values(), with_backup=False, warn=warn)
    return _each(names, partial(_translate, translator=translator, write=write, output=output))


def undo(names: Sequence[str], *, dialect: str, warn: Callable[[str], None]) -> Iterator[Undone | Failed]:
    """Put the backups of files back; without names, of those that the hosts would read.

    Raises ConfigError if it finds none.
    """
    names = names or locations.find(chosen_dialects(dialect).values(), with_backup=True, warn=warn)
    return _each(names, _undo)


_Result = TypeVar("_Result")


def _each(names: Iterable[str], act: Callable[[str], _Result]) -> Iterator[_Result | Failed]:
    for name in names:
        result: _Result | Failed
        try:
            result = act(name)
        except OAuth2Pop3Error as error:
            result = Failed(name, error.with_traceback(None))  # which would keep all that was read of the file
        yield result


def _translate(name: str, *, translator: Translator, write: bool, output: str) -> Translated:
    file = HostFile.read(name)
    translated = translator.translate(name, file.content)
    changed = translated.content != file.content
    if output:
        write_new(output, translated.content)
    backup = str(file.replace(translated.content)) if write and changed else ""
    return Translated(name, translated, changed, backup)


def _undo(name: str) -> Undone:
    return Undone(name, *HostFile.read(name).undo())
