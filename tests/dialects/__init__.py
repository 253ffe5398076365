"""What the dialects are tested with: a corpus of files each, a grammar that makes random ones, and a fuzzer."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path


def fuzz(corpus: Path, check: Callable[[bytes], bool], *, seed: int, count: int) -> int:
    """Give check mutated files of a corpus and random bytes; how many it took. check fails where something is lost."""
    source = random.Random(seed)
    files = [file for path in sorted(corpus.glob("*.rc")) if (file := path.read_bytes())]
    taken = 0
    for _ in range(count):
        content = bytearray(source.choice(files) if source.random() < 0.9 else source.randbytes(source.randrange(300)))
        for _ in range(source.randrange(6)):
            at = source.randrange(len(content) + 1)
            other = source.choice(files)
            start = source.randrange(len(other))
            piece = other[start : start + source.randrange(60)]
            piece = source.choice([source.randbytes(2), b"\n", b'"', b"=", b" ", piece])
            content[at : at + source.choice([0, 0, 1, 5, 40])] = piece
        taken += check(bytes(content))
    return taken


def main(fuzz_one: Callable[..., int]) -> None:
    """For ``python tests/dialects/NAME_grammar.py COUNT``."""
    began, count = time.monotonic(), int(sys.argv[1])
    taken = fuzz_one(seed=int(time.time()), count=count)
    print(f"{taken} of {count} taken, {time.monotonic() - began:.0f} s")
