"""What a server says in a response that is no success: as RFC 6749 has it, in JSON of other makes, or on a page.

Yahoo and Google put an object into `error`; others write `message`, `errorMessage`, a list `errors`, or the problem
details of RFC 9457. The names are compared without capital letters and underscores.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from oauth2_pop3.errors import one_line

_CODES = ("errorid", "errorcode", "code", "status", "type", "name", "reason")
_TEXTS = (
    *("errordescription", "message", "localizedmessage", "errormessage", "errorsummary", "errormsg", "description"),
    *("detail", "title", "msg", "faultstring", "reason"),
)
_MARKS = ("suberror", "errorsubtype", "errorcode", "reason", "status")
_CODE_LIMIT, _TEXT_LIMIT = 80, 300  # characters
_PAGE_LIMIT, _PAGE_WORDS = 8192, 20
_LONGEST_WORD = 24  # characters: a longer one on a page may be a token
_NUMBERS = 10**12  # from here on a number is no code of Entra's
_PLACES = 50  # objects, and members of a list, that are looked at
_SHORTEST_SECRET = 4  # characters: a shorter one cannot be told from other words


class Words(NamedTuple):
    """What a server said. Each fits a line, and may be "".

    code: RFC 6749's `error`, or what stands for it, to the letter. It is for comparing and not for showing.
    shown: the code and the sentence for people, without the secrets that were sent.
    marks: more that tells what happened, and is not shown.
    """

    code: str = ""
    shown: str = ""
    marks: str = ""


def is_refusal(members: Mapping[str, object]) -> bool:
    """Whether a response says that it is an error. `"error": null` says that there is none, and so does ""."""
    error = members.get("error")
    return bool(error.strip() if isinstance(error, str) else error)


def of(members: Mapping[str, object], secrets: Iterable[str] = ()) -> Words:
    """The words in the members of a JSON object or of a redirect. secrets: what must not be shown if it is repeated."""
    outer, hidden = _named(members), _forms(secrets)
    error = next((value for key in ("error", "errors", "fault") if (value := outer.get(key))), None)
    while isinstance(error, list):
        error = error[0] if error else None
    inner = _named(error) if isinstance(error, Mapping) else {}
    code = error if isinstance(error, str) else _first(_CODES, inner, outer)
    text = _first(_TEXTS, inner, outer)
    shown = [one_line(_without(hidden, code), _CODE_LIMIT)]
    if text != code:
        shown.append(one_line(_without(hidden, text), _TEXT_LIMIT))
    marks = _marks(members)
    return Words(one_line(code, _CODE_LIMIT), ": ".join(filter(None, shown)), one_line(" ".join(marks), _TEXT_LIMIT))


def of_page(content: bytes, secrets: Iterable[str] = ()) -> Words:
    """The title of an HTML page, or the first words of another text. What looks like a token is left out."""
    page = content[:_PAGE_LIMIT].decode("utf-8", "replace").strip()
    if page.startswith(("{", "[")) or "\ufffd" in page[:_TEXT_LIMIT]:
        return Words()  # damaged JSON, which may hold tokens, or no text at all
    start = page.lower().find("<title")
    title = page[start:].partition(">")[2].partition("<")[0].strip() if start >= 0 else ""
    if not title and "token" in page.lower():
        return Words()
    parts = (part for part in page.split("<") if not part.lower().startswith(("script", "style")))
    text = title or " ".join(part.rpartition(">")[2] for part in parts)
    words = _without(_forms(secrets), html.unescape(text)).split()
    return Words(shown=one_line(" ".join(map(_harmless, words[:_PAGE_WORDS])), _TEXT_LIMIT))


def _named(members: Mapping[str, object]) -> dict[str, object]:
    """The members under the names by which they are compared; the first of those that fall together."""
    named: dict[str, object] = {}
    for key, value in members.items():
        named.setdefault(str(key).replace("_", "").lower(), value)
    return named


def _marks(members: Mapping[str, object]) -> list[str]:
    """Texts that tell what happened, at any depth: Google has a list `errors` in `error`. Entra's numbers as codes."""
    found: list[str] = []
    places = [members]
    for place in islice(places, _PLACES):
        for key, value in _named(place).items():
            values = value[:_PLACES] if isinstance(value, list) else [value]
            places += [inner for inner in values if isinstance(inner, Mapping)]
            if key == "errorcodes":
                found += [f"AADSTS{code}" for code in values if isinstance(code, int) and 0 <= code < _NUMBERS]
            elif key in _MARKS:
                found += [text for text in values if isinstance(text, str)]
    return found


def _first(names: Iterable[str], *places: Mapping[str, object]) -> str:
    """The first value that is a text and no address: RFC 9457's `type` is a URI."""
    found = (value for place in places for name in names if isinstance(value := place.get(name), str) and value.strip())
    return next((value for value in found if "://" not in value.partition(" ")[0] and value != "about:blank"), "")


def _forms(secrets: Iterable[str]) -> list[str]:
    """The secrets, also as a server may write them back. A short one is left: it is a word like others."""
    long = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    return sorted({form for secret in long for form in (secret, *_encoded(secret))}, key=len, reverse=True)


def _encoded(secret: str) -> Iterator[str]:
    """As in the request's body, in JSON, in HTML and in base64."""
    yield quote_plus(secret, errors="replace")
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", r"\/")
    yield html.escape(secret)
    octets = secret.encode("utf-8", "replace")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(octets).decode().rstrip("=")


def _without(hidden: Iterable[str], text: str) -> str:
    """The text without the secrets, in capital letters or not: %2F is %2f to some."""
    for form in hidden:
        if len(form) <= len(text):
            text = re.sub(re.escape(form), "...", text, flags=re.IGNORECASE)
    return text


def _harmless(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD and not set(word) & set('"={}[]') else "..."
