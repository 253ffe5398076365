"""A unified diff with secrets masked, made from the edits: no lines are compared, however large the file is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from oauth2_pop3.dialects.source_text import MASK, Edit, SourceText, readable

_CONTEXT = 3
"""Unchanged lines around a change."""

_place = attrgetter("start", "end")
_Change = tuple[int, int, list[Edit]]
"""The first and the last line that edits touch, and these edits."""


def unified_diff(source: SourceText, edits: Sequence[Edit], secrets: Sequence[tuple[int, int]]) -> str:
    """The diff between a file and what the edits make of it. secrets: places in the file that are not shown."""
    edits = sorted((edit for edit in edits if source.text[edit.start : edit.end] != edit.text), key=_place)
    if not edits:
        return ""
    lines = _Lines(source, secrets)
    name = source.file
    out = [f"--- {name}", f"+++ {name} (translated)"]
    moved = 0  # how many lines further down the rest is in the new file
    for hunk in _hunks(_changed_lines(source, edits)):
        first, last = max(1, hunk[0][0] - _CONTEXT), min(lines.count, hunk[-1][1] + _CONTEXT)
        body, gained = _body(lines, hunk, first, last)
        count = last - first + 1
        out += [f"@@ -{first},{count} +{first + moved},{count + gained} @@", *body]
        moved += gained
    return "\n".join(out) + "\n"


def _body(lines: _Lines, hunk: Sequence[_Change], first: int, last: int) -> tuple[list[str], int]:
    """The lines of a hunk, from first to last in the old file, and how many more there are in the new one."""
    body: list[str] = []
    at, gained = first, 0
    for begin, end, own in hunk:
        body += [f" {lines.shown(number)}" for number in range(at, begin)]
        old = [lines.shown(number) for number in range(begin, min(end, lines.count) + 1)]
        new = lines.edited(begin, end, sorted([*own, *_outside(lines.masks(begin, end), own)], key=_place))
        head = _alike(old, new)
        tail = _alike(old[head:][::-1], new[head:][::-1])
        body += [f" {line}" for line in old[:head]]
        body += [f"-{line}" for line in old[head : len(old) - tail]]
        body += [f"+{line}" for line in new[head : len(new) - tail]]
        body += [f" {line}" for line in old[len(old) - tail :]]
        gained += len(new) - len(old)
        at = end + 1
    return [*body, *(f" {lines.shown(number)}" for number in range(at, last + 1))], gained


def _changed_lines(source: SourceText, edits: Sequence[Edit]) -> Iterator[_Change]:
    """The lines that edits touch; edits that share a line are one change."""
    first, last, own = 0, 0, list[Edit]()
    for edit in edits:
        begin = source.line(edit.start)
        # An edit that removes a whole line ends at the start of the next one, which stays as it is.
        whole = edit.end > edit.start and (
            edit.text or source.text[max(0, edit.start - 1) : edit.start] or "\n"
        ).endswith("\n")
        end = source.line(edit.end - 1 if whole else edit.end)
        if own and begin <= last:
            last = max(last, end)
            own.append(edit)
            continue
        if own:
            yield first, last, own
        first, last, own = begin, end, [edit]
    yield first, last, own


def _hunks(changes: Iterator[_Change]) -> Iterator[list[_Change]]:
    """Put changes together that are near enough to each other to share their context."""
    hunk = [next(changes)]
    for change in changes:
        if change[0] - hunk[-1][1] > 2 * _CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    yield hunk


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """The number of lines at their beginnings that are the same."""
    return next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )


def _outside(masks: Sequence[Edit], edits: Sequence[Edit]) -> Iterator[Edit]:
    """The parts of masks that edits leave uncovered, both in order: what an edit removes or inserts needs no mask."""
    number = 0
    for mask in masks:
        at = mask.start
        while number < len(edits) and edits[number].start < mask.end:
            edit = edits[number]
            if edit.start > at:
                yield Edit(at, edit.start, MASK)
            at = max(at, edit.end)
            if edit.end > mask.end:
                break  # the edit may reach into the next mask
            number += 1
        if at < mask.end:
            yield Edit(at, mask.end, MASK)


class _Lines:
    """The file's lines as they are shown, without secrets and line ends."""

    def __init__(self, source: SourceText, secrets: Sequence[tuple[int, int]]) -> None:
        self._source = source
        self._masks: dict[int, list[Edit]] = {}
        for start, end in _merged(secrets):
            for number in range(source.line(start), source.line(max(start, end - 1)) + 1):
                self._masks.setdefault(number, []).append(Edit(start, end, MASK))
        starts = source.line_starts
        self._spans = list(pairwise([*starts, len(source.text)]))
        # There is no line to show behind the last line end, but lines may be inserted there.
        self.count = len(starts) - (starts[-1] == len(source.text))

    def shown(self, number: int) -> str:
        return "\n".join(self.edited(number, number, self.masks(number, number)))

    def masks(self, first: int, last: int) -> list[Edit]:
        found = (mask for number in range(first, last + 1) for mask in self._masks.get(number, ()))
        return list(dict.fromkeys(found))

    def edited(self, first: int, last: int, edits: Sequence[Edit]) -> list[str]:
        """The new lines in the place of some old ones. An edit that goes beyond the old lines is cut off."""
        start, end = self._spans[first - 1][0], self._spans[last - 1][1]
        pieces, at = [], start
        for edit in edits:
            pieces += [self._source.text[at : max(at, edit.start)], edit.shown or edit.text]
            at = max(at, min(edit.end, end))
        text = "".join([*pieces, self._source.text[at:end]])
        return [_line(line) for line in text.removesuffix("\n").split("\n")] if text else []


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places in order; those that overlap become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _line(text: str) -> str:
    line = readable(text.rstrip("\r"))
    return line if line.isprintable() else "".join(c if c.isprintable() or c == "\t" else "?" for c in line)
