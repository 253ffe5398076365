"""The diff that `translate` shows: right to the line, and without a password."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.dialects.source_text import MASK, Edit, SourceText
from oauth2_pop3.translation.unified_diff import unified_diff


def applied(diff: str, old: list[str]) -> list[str]:
    """Apply a unified diff to lines; every number, context line and removed line has to fit."""
    new: list[str] = []
    at = 0
    lines = diff.splitlines()
    assert [line[:3] for line in lines[:2]] == ["---", "+++"]
    for line in lines[2:]:
        if header := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line):
            first, count, new_first, new_count = map(int, header.groups())
            new += old[at : first - 1]
            at = first - 1
            assert len(new) == new_first - 1
            ends = at + count, len(new) + new_count
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert line[0] in " -"
            assert old[at] == line[1:]
            at += 1
            if line[0] == " ":
                new.append(line[1:])
        assert line.startswith("@@") or (at <= ends[0] and len(new) <= ends[1])
    return new + old[at:]


@st.composite
def edited_texts(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    lines = draw(st.lists(st.text("ab c", max_size=4), min_size=1, max_size=40))
    text = "".join(f"{line}\n" for line in lines)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edits = [
        Edit(start, end, draw(st.text("xy\n", max_size=3)))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]
    ends = [*(after.start for after in edits[1:]), len(text) + 1]
    edits = [edit for edit, end in zip(edits, ends, strict=False) if edit.end < end]
    return text, edits


@given(edited_texts())
def test_it_leads_from_the_old_to_the_new(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    source = SourceText("x", text.encode())
    new = source.edited(edits).decode()
    diff = unified_diff(source, edits, [])
    if new == text:
        return
    assert applied(diff, text.splitlines()) == new.splitlines(), "whether the last line has an end is not shown"


def test_a_line_taken_out_and_one_put_in() -> None:
    source = SourceText("rc", b"1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    diff = unified_diff(source, [Edit(8, 10), Edit(10, 10, "new\n")], [])
    assert diff == "--- rc\n+++ rc (translated)\n@@ -2,8 +2,8 @@\n 2\n 3\n 4\n-5\n+new\n 6\n 7\n 8\n 9\n"


def test_no_secret_on_either_side() -> None:
    text = "user ann password 'first' ssl\nuser bob password 'second'\nuser cyd\n"
    source = SourceText("rc", text.encode())
    secrets = [(text.index("first"), text.index("first") + 5), (text.index("second"), text.index("second") + 6)]
    ssl = text.index(" ssl")
    diff = unified_diff(source, [Edit(ssl, ssl + 4)], secrets)
    assert "first" not in diff
    assert "second" not in diff
    assert f"-user ann password '{MASK}' ssl" in diff
    assert f"+user ann password '{MASK}'\n" in diff
    removed = unified_diff(source, [Edit(secrets[0][0], secrets[0][1], "word")], secrets)
    assert f"-user ann password '{MASK}' ssl" in removed
    assert "+user ann password 'word' ssl" in removed
    partly = unified_diff(source, [Edit(secrets[0][0] + 2, secrets[0][1], "word")], secrets)
    assert "fi" not in partly.replace("file", "")


def test_a_secret_over_several_lines() -> None:
    text = "password one\n  two\nuser x\n"
    diff = unified_diff(SourceText("rc", text.encode()), [Edit(text.index("x"), text.index("x") + 1, "y")], [(9, 18)])
    assert "one" not in diff
    assert "two" not in diff


def test_control_sequences_do_not_reach_the_terminal() -> None:
    diff = unified_diff(SourceText("rc", b"a\x1b[2Jb\r\nc\r\n"), [Edit(8, 9, "d")], [])
    assert "\x1b" not in diff
    assert "\r" not in diff


def test_nothing_changes() -> None:
    source = SourceText("rc", b"a\nb\n")
    assert unified_diff(source, [], []) == ""
    assert unified_diff(source, [Edit(0, 1, "a")], []) == ""


def test_masks_and_edits_that_meet() -> None:
    """A mask that an edit splits is kept on both sides of it, and masks that overlap are one."""
    source = SourceText("rc", b"one two three four\n")
    lines = unified_diff(source, [Edit(4, 7, "2"), Edit(13, 13, "!")], [(2, 6), (5, 10), (12, 15)]).splitlines()
    assert lines[-2:] == ["-on********re********our", "+on********2********re********!********our"]


def test_lines_put_in_behind_the_last_one() -> None:
    """Once, this was a traceback."""
    diff = unified_diff(SourceText("rc", b"1\n2\n"), [Edit(4, 4, "3\n4\n")], [])
    assert diff == "--- rc\n+++ rc (translated)\n@@ -1,2 +1,4 @@\n 1\n 2\n+3\n+4\n"
