"""What the dialects are tested with: for each a corpus of files, a grammar that makes random ones, and a fuzzer."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oauth2_pop3.dialects import DialectFile, SignIn
from oauth2_pop3.dialects.source_text import commented_passwords
from oauth2_pop3.errors import DialectError
from oauth2_pop3.translation.unified_diff import unified_diff

Choose = Callable[[Any], Mapping[int, SignIn]]


def fuzz(corpus: Path, check: Callable[[bytes], bool], *, seed: int, count: int) -> int:
    """Run `check`, which fails if anything is lost, on mutated files and random bytes; returns how many it accepted."""
    source = random.Random(seed)
    files = [file for path in sorted(corpus.glob("*.rc")) if (file := path.read_bytes())]
    taken = 0
    for _ in range(count):
        content = bytearray(source.choice(files) if source.random() < 0.9 else source.randbytes(source.randrange(300)))
        for _ in range(source.choice([0, 1, 1, 2, 3, 5])):
            at, other = source.randrange(len(content) + 1), source.choice(files)
            if source.random() < 0.7:  # whole lines: most of what comes of that is taken
                at = content.rfind(b"\n", 0, at) + 1
                end = content.find(b"\n", at) + 1 if source.random() < 0.5 else at
                content[at : max(at, end)] = _lines(source, other)
                continue
            start = source.randrange(len(other))
            piece = other[start : start + source.randrange(60)]
            piece = source.choice([source.randbytes(2), b"\n", b"\r\n", b'"', b"=", b" ", piece])
            content[at : at + source.choice([0, 0, 1, 5, 40])] = piece
        taken += check(bytes(content))
    return taken


_MARK = "Q7secretQ7"


def _lines(source: random.Random, other: bytes) -> bytes:
    """Some whole lines of another file."""
    lines = other.splitlines(keepends=True)
    first = source.randrange(len(lines))
    return b"".join(lines[first : first + source.randrange(1, 5)])


def check_translation(read: Callable[[bytes], DialectFile], content: bytes, chosen: Choose, **options: bool) -> bool:
    """Translate a file; False if it is refused. Nothing is lost, nothing shown, nobody's mail becomes another's.

    Every password is replaced by one word first, so that it can be looked for.
    """
    try:
        file = read(content)
        for start, end in sorted(file.secrets, reverse=True):
            if content[start:end].isalnum():
                content = content[:start] + _MARK.encode() + content[end:]
        file = read(content)
    except DialectError:
        return False
    source = file.source
    assert source.edited([]) == content
    assert not file.translate({}).edits
    sign_ins = chosen(file)
    translation = file.translate(sign_ins, **options)
    result = source.edited(translation.edits)
    again = read(result)
    assert len(file.accounts) == len(again.accounts)
    for number, (old, new) in enumerate(zip(file.accounts, again.accounts, strict=True)):
        if number not in sign_ins or not new.uses_oauth2_pop3:
            real = old.server and old.username  # without, it is there to be inherited from
            same = replace(new, line=old.line, uses_oauth2_pop3=new.uses_oauth2_pop3 if real else old.uses_oauth2_pop3)
            assert same == old
        assert (old.name, old.server, old.username, old.protocol) == (new.name, new.server, new.username, new.protocol)
        assert number not in sign_ins or new.uses_oauth2_pop3 or translation.remarks[number]
    assert read(result).source.edited(again.translate(chosen(again), **options).edits) == result
    diff = unified_diff(source, translation.edits, [*file.secrets, *commented_passwords(source.text)])
    shown = sum(line.count(_MARK) for line in diff.splitlines() if line[:1] in "-+ ")
    elsewhere = source.text.count(_MARK) - sum(source.text[start:end].count(_MARK) for start, end in file.secrets)
    assert not shown or elsewhere, "a password is shown"
    assert bool(diff) == (result != content)
    return True


def main(fuzz_one: Callable[..., int]) -> None:
    """For ``python tests/dialects/NAME_grammar.py COUNT``."""
    began, count = time.monotonic(), int(sys.argv[1])
    taken = fuzz_one(seed=int(time.time()), count=count)
    print(f"{taken} of {count} taken, {time.monotonic() - began:.0f} s")
