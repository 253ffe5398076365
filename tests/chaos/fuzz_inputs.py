"""Random inputs for the fuzzers: seeds that are cut, joined and spoiled, with words that parsers stumble over."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SHORT: tuple[bytes, ...] = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\t", b"\x0b", b"\x1b]0;x\x07", b"\x7f", b"\x85", b" ", b"  "),
    *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\\ud800", b"\\u0000", b"\\udfff\\ud800", "\u202e".encode(), "\u0660".encode(), "\u017f".encode()),
    *(b"0", b"-1", b"-0", b"1e400", b"-1e400", b"1e-400", b"inf", b"nan", b"NaN", b"Infinity", b"-Infinity"),
    *(b"2147483648", b"4294967296", b"9223372036854775808", b"18446744073709551616", b"99999999999999999999999"),
    *(b"65536", b"0x7fffffff", b"1_000", b"1.5", b"1979-05-27T07:32:00Z", b"07:32:00", b"9999-12-31", b"0001-01-01"),
    *(b"null", b"true", b"false", b"[]", b"{}", b'""', b"''", b'"', b"'", b"\\", b"/", b"%", b"%00", b"%ff", b"$"),
    *(b"https://[[[", b"https://[", b"http://[::1", b"https://a:99999/", b"https://a:x/", b"https://", b"//", b"://"),
    *(b"https://u:p@h/", b"http://127.0.0.1:1/", b"https://h/#f", b"https://h/?q", "https://\u2100/".encode()),
    *(b"..", b"../../etc/passwd", b"=", b":", b";", b",", b"#", b"[", b"]", b"{", b"}", b"(", b")", b"@", b"-", b"<"),
)
"""Words that are put in, or put in the place of something."""


_UNITS: tuple[bytes, ...] = (
    *(b"9", b"[", b"{", b"(", b'{"a":', b"[1,", b"a.", b"<a>", b" ", b"\n", b"\r\n", b"\t", b"a", b"-", b"\\", b"'"),
    *(b"pass", b"pass x\n"),
)
"""What a long word repeats."""


def long_word(rng: random.Random) -> bytes:
    """A word that is long in one way or another: digits, nesting, blanks, repetitions."""
    count = rng.choice((50, 300, 995, 1500, 4301, 5000, 10_000))
    unit = rng.choice(_UNITS)
    if rng.random() < 0.3:
        closing = {b"[": b"]", b"{": b"}", b"(": b")", b"<a>": b"</a>", b'{"a":': b"}"}.get(unit, b"")
        return unit * (count // 2) + rng.choice((b"", b"1")) + closing * (count // 2)
    return rng.choice((b"", b"0x", b'"', b"-", b"#")) + unit * count


ODD_JSON: tuple[str, ...] = (
    *("null", "true", "0", "-1", "1.5", "1e400", "-Infinity", "NaN", "[]", "{}", "[null]", '""', '" "', '"\\u0000"'),
    *('"\\ud800"', '"\\udcff"', '"a\\nb"', '"\\u001b]0;x\\u0007"', '"https://[[["', '"https://a:99999/"', '"//"'),
    *('"inf"', '"1e400"', f'"{"9" * 5000}"', "9" * 4300, "9" * 4301, str(2**63), str(2**64), str(10**20), "1e308"),
    *(f"{'[' * 990}{']' * 990}", f"{'[' * 10_000}{']' * 10_000}", '{"a":' * 950 + "1" + "}" * 950, f'"{"x" * 20_000}"'),
)
"""Values that stand where a JSON document should have something else."""


def odd_inputs(seeds: Sequence[bytes], documents: Sequence[Any], words: Sequence[bytes]) -> Iterator[bytes]:
    """Every odd word as a whole file, before, behind and in the middle of a good one, and as each value of it."""
    long = (b"9" * 5000, b"[" * 10_000, b'{"a":' * 3000, b"a." * 4000, b"<a>" * 3000, b"\n" * 8000, b" " * 8000)
    for word in (b"", *SHORT, *words, *long, b"\xff\xfe" + "a = 1".encode("utf-16-le")):
        yield word
        for seed in seeds[:1]:
            yield word + seed
            yield seed + word
            yield seed[: len(seed) // 2] + word + seed[len(seed) // 2 :]
    for seed in seeds[:1]:
        for value in re.finditer(rb"[=:] *([^\s=:]+)", seed):
            for word in (
                b"1979-05-27",
                b"1e400",
                b"nan",
                b"0x" + b"f" * 5000,
                *long[:2],
                b"[]",
                b"{}",
                b'"\\u0000"',
                b'""',
            ):
                yield seed[: value.start(1)] + word + seed[value.end(1) :]
    for document in documents[:2]:
        for key in document:
            for odd in ODD_JSON:
                text = json.dumps({**document, key: _RAW}).replace(json.dumps(_RAW), odd)
                yield text.encode()
        yield b"\xef\xbb\xbf" + json.dumps(document).encode()
        yield json.dumps(document).encode("utf-16")
        yield json.dumps(document).replace("{", '{"a": 1, "a": 2, ', 1).encode()


def spoiled(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """The content, changed in one to a dozen places."""
    changed = bytearray(content)
    while True:
        _change(rng, changed, seeds, words)
        if rng.random() < 0.4:
            return bytes(changed)


def _change(rng: random.Random, content: bytearray, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = rng.randint(0, len(content))
    end = min(len(content), at + rng.choice((0, 0, 1, 1, 2, 5, 20)))
    kind = rng.random()
    if kind < 0.3:
        content[at:end] = rng.choice(SHORT)
    elif kind < 0.55 and words:
        content[at:end] = rng.choice(words)
    elif kind < 0.65:
        content[at:end] = bytes([rng.randrange(256)])
    elif kind < 0.75:
        del content[at:end]
    elif kind < 0.83:
        piece = bytes(content[at : at + rng.choice((3, 10, 40, 200))])
        content[at:at] = piece * rng.choice((1, 1, 2, 5))
    elif kind < 0.89:
        _move_lines(rng, content)
    elif kind < 0.94:
        other = rng.choice(seeds)
        start = rng.randint(0, len(other))
        content[at:end] = other[start : start + rng.choice((5, 30, 300))]
    elif kind < 0.96:
        del content[at:]
    elif kind < 0.97:
        content[at:end] = long_word(rng)
    elif content:
        content[at % len(content)] ^= 1 << rng.randrange(8)


def _move_lines(rng: random.Random, content: bytearray) -> None:
    lines = content.splitlines(keepends=True)
    if lines:
        line = rng.choice(lines) if rng.random() < 0.5 else lines.pop(rng.randrange(len(lines)))
        lines.insert(rng.randint(0, len(lines)), line)
        content[:] = b"".join(lines)


_RAW = "\x02raw\x03"
_VALUES: tuple[Callable[[random.Random], object], ...] = (
    lambda _: None,
    lambda rng: rng.choice((True, False, 0, -1, 1, 1.5, 10**15, 10**30, 2**63, -(2**63), 3e38)),
    lambda rng: rng.choice(("", " ", "0", "-1", "1e400", "inf", "nan", "3600", "9" * 30, "a\nb", "\0", "\ud800")),
    lambda rng: rng.choice(SHORT).decode("utf-8", "surrogateescape"),
    lambda rng: rng.choice(([], {}, [None], [[]], {"a": {}}, [1, "a", None], {"": ""})),
)


def json_text(rng: random.Random, document: Any, names: Sequence[str]) -> bytes:
    """The JSON of a document of which some values are other ones. names: keys that may be added."""
    raw: list[str] = []
    copy = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = copy
        while True:
            if isinstance(place, dict):
                key: Any = rng.choice((*place, *names)) if place or names else "a"
            elif isinstance(place, list) and place:
                key = rng.randrange(len(place))
            else:
                break
            known = isinstance(place, list) or key in place
            if known and isinstance(place[key], dict | list) and rng.random() < 0.7:
                place = place[key]
                continue
            if known and rng.random() < 0.1:
                del place[key]
            elif rng.random() < 0.04:
                raw.append(_long_json(rng))
                place[key] = _RAW
            else:
                place[key] = rng.choice(_VALUES)(rng)
            break
    text = json.dumps(copy, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    for value in raw:
        text = text.replace(json.dumps(_RAW).encode(), value.encode(), 1)
    return text


def _long_json(rng: random.Random) -> str:
    depth = rng.choice((300, 900, 960, 980, 990, 995, 1000, 5000))
    return rng.choice(
        (
            "9" * rng.choice((4300, 4301, 5000)),
            "1e400",
            "-Infinity",
            "[" * depth + "]" * depth,
            '{"a":' * depth + "1" + "}" * depth,
            "[" * depth,
            f'"{"a" * 5000}"',
            f'"{"a b" * 2000}"',
            '"\\ud800"',
        )
    )
