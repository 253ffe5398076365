"""What a fuzzer's target is, and the running of it: which inputs it gets, what counts as a finding."""

from __future__ import annotations

import json
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.fuzz_inputs import json_text, odd_inputs, spoiled
from oauth2_pop3.errors import OAuth2Pop3Error

SLOW = 0.2
"""Seconds of this thread's CPU time that one input may take."""
Run = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A parser.

    make: given an empty directory, prepares what every input needs, and gives the function that parses one input. That
        may raise OAuth2Pop3Error and nothing else. It leaves no trace at the end.
    seeds: inputs that the parser accepts. documents: the same as JSON.
    words: what the parser looks for.
    """

    name: str
    make: Callable[[Path], AbstractContextManager[Run]]
    seeds: Sequence[bytes] = ()
    documents: Sequence[Any] = ()
    words: Sequence[bytes] = ()

    def inputs(self, seed: int, first: int, count: int) -> Iterator[tuple[int, bytes]]:
        """Inputs, each with its number."""
        return ((number, self.input(seed, number)) for number in range(first, first + count))

    def input(self, seed: int, number: int) -> bytes:
        """Input number so-and-so of a seed: the same on every machine. The first ones are the seeds themselves."""
        seeds = self._all_seeds
        if number < len(seeds):
            return seeds[number]
        rng = random.Random((seed << 40) + number)
        if self.documents and rng.random() < 0.7:
            content = json_text(rng, rng.choice(self.documents), [word.decode() for word in self.words])
            return content if rng.random() < 0.8 else spoiled(rng, content, seeds, self.words)
        return spoiled(rng, rng.choice(seeds), seeds, self.words)

    def odd_inputs(self) -> Iterator[bytes]:
        """A table of what is known to be odd, in each place of a good input."""
        return odd_inputs(self._all_seeds, self.documents, self.words)

    @property
    def _all_seeds(self) -> Sequence[bytes]:
        if not self.documents:
            return self.seeds
        return [*self.seeds, *(json.dumps(document).encode() for document in self.documents)]


@dataclass
class Report:
    """What came of a run. unexpected: by its kind, how often, and the first input with its traceback."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: int = 0
    unexpected: dict[str, tuple[int, int, bytes, str]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether there is anything to mend."""
        return bool(self.unexpected) or self.slowest > SLOW


def run(target: Target, inputs: Iterable[tuple[int, bytes]], *, seconds: float = float("inf")) -> Report:
    """Run a target on inputs, each with its number, until there are no more or the seconds are over."""
    report = Report(target.name)
    began = time.monotonic()
    with _directory() as directory, target.make(Path(directory)) as parse:
        for number, content in inputs:
            taken = _tried(parse, content, number, report)
            if taken > SLOW:  # a pause of the garbage collector, a module that was loaded: it must be slow each time
                taken = min(taken, *(_tried(parse, content, number, Report("")) for _ in range(2)))
            if taken > report.slowest:
                report.slowest, report.slowest_input = taken, number
            report.inputs += 1
            if time.monotonic() - began > seconds:
                break
    report.seconds = time.monotonic() - began
    return report


def _directory() -> tempfile.TemporaryDirectory[str]:
    """An empty directory, in memory if possible: some targets write files, and sync them."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)


def _tried(parse: Run, content: bytes, number: int, report: Report) -> float:
    """Parse one input, and return the CPU time of this thread that it took."""
    before = time.thread_time()
    try:
        parse(content)
    except OAuth2Pop3Error:
        pass
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        kind = _kind(error)
        count, *where = report.unexpected.get(kind, (0, number, content, "".join(traceback.format_exception(error))))
        report.unexpected[kind] = (count + 1, *where)  # type: ignore[assignment]
    return time.thread_time() - before


def _kind(error: Exception) -> str:
    """The exception's type, and the last of our own lines in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "oauth2_pop3" in frame.filename] or list(frames)
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def lines(report: Report, seed: int, growth: str) -> Iterator[str]:
    """The report for a person."""
    count = sum(number for number, *_ in report.unexpected.values())
    pace = report.seconds / max(1, report.inputs) * 1e6
    yield (
        f"{report.target}: {report.inputs:,} inputs, {count} unexpected, slowest {report.slowest * 1000:.1f} ms "
        f"(--first {report.slowest_input}), "
        f"{growth}, {report.seconds:.0f} s ({pace:.0f} us each)"
    )
    again = f"--target {report.target} --seed {seed} --inputs 1 --first"
    if report.slowest > SLOW:
        yield f"  SLOW, and again with: {again} {report.slowest_input}"
    for kind, (times, number, content, text) in report.unexpected.items():
        yield f"  UNEXPECTED {kind}, {times} times, and again with: {again} {number}"
        shown = repr(content)
        shown = shown if len(shown) < 600 else f"{shown[:300]} ... {shown[-300:]}"
        yield f"    input of {len(content)} octets: {shown}"
        yield from (f"    {line}" for line in text.rstrip().splitlines()[-14:])
