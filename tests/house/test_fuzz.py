"""Every parser of a stranger's octets: odd input is an error of ours, never another exception.

tests/chaos/fuzz.py runs the same targets for as long as it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos import fuzz_target
from chaos.fuzz import TARGETS
from chaos.fuzz_inputs import SHORT
from chaos.fuzz_target import Report, Run, Target, lines, run
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error

SLOW = frozenset(
    (
        *("registration", "token_response", "device_authorization", "device_poll", "revocation", "verification"),
        *("config_written", "import_emailproxy", "import_fetchmail", "getmailrc", "fetchmailrc", "mpoprc"),
    )
)
"""The targets that take most of the time."""
INPUTS = {True: 100, False: 855}
"""For each target, by whether it is slow: 20,000 together."""

each_target = pytest.mark.parametrize("target", [pytest.param(target, id=target.name) for target in TARGETS.values()])


def passed(report: Report) -> bool:
    """Whether nothing unexpected came out; it is printed if something did. How long it takes depends on the machine."""
    if report.unexpected:
        print("\n".join(lines(report, 1, "")))
    return not report.unexpected


@each_target
def test_random_inputs(target: Target) -> None:
    assert passed(run(target, target.inputs(1, 0, INPUTS[target.name in SLOW])))


def test_how_many_they_are() -> None:
    assert TARGETS.keys() > SLOW
    assert sum(INPUTS[name in SLOW] for name in TARGETS) >= 20_000


@each_target
def test_odd_inputs(target: Target) -> None:
    assert passed(run(target, enumerate(target.odd_inputs())))


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    """Any octets, and the target's good inputs with one piece of them replaced."""
    seeds = [content for _, content in target.inputs(1, 0, len(target.seeds) + len(target.documents))]
    piece = st.one_of(st.binary(max_size=20), st.sampled_from([*SHORT, *target.words]))
    spoiled = st.tuples(st.sampled_from(seeds), st.floats(0, 1), st.integers(0, 30), piece).map(replaced)
    return st.one_of(st.binary(max_size=300), spoiled, spoiled)


def replaced(parts: tuple[bytes, float, int, bytes]) -> bytes:
    content, place, length, piece = parts
    at = int(place * len(content))
    return content[:at] + piece + content[at + length :]


@each_target
def test_inputs_of_hypothesis(target: Target, tmp_path: Path) -> None:
    """It reduces what fails to the shortest input."""
    with target.make(tmp_path) as parse:

        @settings(derandomize=True, database=None, deadline=None, max_examples=20)
        @given(inputs_of(target))
        def parses(content: bytes) -> None:
            with suppress(OAuth2Pop3Error):
                parse(content)

        parses()


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
