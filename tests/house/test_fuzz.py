"""Every parser of a stranger's octets: odd input is an error of ours, never another exception.

tests/chaos/fuzz.py runs the same targets for as long as it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos import fuzz_target
from chaos.fuzz import TARGETS
from chaos.fuzz_target import Report, Run, Target, lines, run
from oauth2_pop3.errors import ConfigError

INPUTS = 650
"""For each target; 20,000 together."""

each_target = pytest.mark.parametrize("target", [pytest.param(target, id=target.name) for target in TARGETS.values()])


def passed(report: Report) -> bool:
    """Whether nothing unexpected came out; it is printed if something did. How long it takes depends on the machine."""
    if report.unexpected:
        print("\n".join(lines(report, 1, "")))
    return not report.unexpected


@each_target
def test_random_inputs(target: Target) -> None:
    assert passed(run(target, target.inputs(1, 0, INPUTS)))


@each_target
def test_odd_inputs(target: Target) -> None:
    assert passed(run(target, enumerate(target.odd_inputs())))


def test_the_fuzzer_finds_what_is_unexpected_and_what_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be of no use if it could not fail."""
    monkeypatch.setattr(fuzz_target, "SLOW", 0.001)

    @contextmanager
    def make(_: Path) -> Iterator[Run]:
        def parse(content: bytes) -> None:
            if b"null" in content:
                raise KeyError("null")
            if b"\0" in content:
                sum(range(1_000_000))
            raise ConfigError("as it should be")

        yield parse

    target = Target("made up", make, [b"a seed"])
    report = run(target, [(0, b"a"), (1, b"null"), (2, b"null"), (3, b"\0")])
    ((kind, (times, number, content, text)),) = report.unexpected.items()
    assert (times, number, content) == (2, 1, b"null")
    assert "KeyError" in kind
    assert "KeyError: 'null'" in text
    assert report.slowest_input == 3
    assert report.failed
    assert "SLOW" in "\n".join(lines(report, 1, ""))
