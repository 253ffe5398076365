"""What the lines of a POP3 server's responses mean (RFC 1939, RFC 2449, RFC 3206)."""

from __future__ import annotations

import re

from oauth2_pop3.errors import one_line


def is_success(line: bytes) -> bool:
    """Whether it is +OK. RFC 1939 wants capitals, but some servers write it otherwise, and other clients take it."""
    return line[:3].upper() == b"+OK"


def is_refusal(line: bytes) -> bool:
    """Whether it is -ERR."""
    return line[:4].upper() == b"-ERR"


def response_code(line: bytes) -> str:
    """The code in brackets after -ERR, in capitals, without its lower levels and arguments; "" if there is none."""
    found = re.match(rb"[-+]ERR[\s:]*\[([^]\s]*)", line, re.IGNORECASE)
    code = found[1].decode("ascii", "replace").upper() if found else ""
    return "/".join(code.split("/")[: 2 if code.startswith("SYS/") else 1])


def text_of(line: bytes) -> str:
    """What the server said, made fit for a message."""
    return one_line(line.decode("utf-8", "backslashreplace"), 300)


def capabilities_of(lines: bytes) -> dict[str, tuple[str, ...]]:
    """The capabilities that CAPA lists (RFC 2449 section 5): their names in capitals, and their arguments."""
    words = (line.split() for line in lines.decode("ascii", "replace").splitlines())
    return {name.upper(): tuple(arguments) for name, *arguments in filter(None, words)}
