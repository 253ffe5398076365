"""The values of a getmailrc's options: Python literals, and passwords where nobody would look for one."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from oauth2_pop3.dialects.getmailrc.syntax import Sections
from oauth2_pop3.dialects.source_text import SourceText

_PASSWORD = re.compile(r"(?<!\w)(?:(?!pass)\w)*+pass\w*+\s*+[=:]\s*+", re.IGNORECASE)


def passwords_within(source: SourceText, sections: Sections) -> Iterator[tuple[int, int]]:
    """The places of passwords in the values of other options.

    These are arguments of a program, and options that are indented so far that getmail takes them for a value.
    """
    for options in sections.values():
        for name, option in options.items():
            for start, end in option.values if "pass" not in name else ():
                if (found := _PASSWORD.search(source.text, start, end)) and found.end() < end:
                    yield found.end(), end


def is_strings(text: str) -> bool:
    """Tell whether our type can read it: our type evaluates nothing."""
    strings = literal(text)
    return isinstance(strings, tuple | list) and all(isinstance(item, str) for item in strings)


def literal(text: str) -> object:
    """The value of a Python literal; None if the text is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # or Python would talk to the user about `1if`
            return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
