"""No test reads the clock when its module is imported: the time would be old when used, and differ between workers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support import ROOT

CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "now", "utcnow", "today"}
MODULES = sorted(path for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts)


def at_import(node: ast.AST) -> Iterator[ast.Call]:
    """Every call that importing runs: not what is inside functions, but their decorators and defaults."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        run = [*node.args.defaults, *filter(None, node.args.kw_defaults), *getattr(node, "decorator_list", [])]
    else:
        run = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        yield node
    for child in run:
        yield from at_import(child)


def clocks_read(text: str) -> list[int]:
    """The lines at which importing the module reads a clock."""
    return [call.lineno for call in at_import(ast.parse(text)) if _name(call.func) in CLOCKS]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_no_clock_is_read_at_import() -> None:
    found = [f"{path.relative_to(ROOT)}:{line}" for path in MODULES for line in clocks_read(path.read_text())]
    assert not found, "take the time inside the test, or give the parameter as a function"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import time\nFUTURE = int(time.time()) + 10\n", [2]),
        ("@pytest.mark.parametrize('ends', [\n    time.time() - 5,\n])\ndef test_it(ends): ...\n", [2]),
        ("class Test:\n    began = datetime.now(UTC)\n", [2]),
        ("def test_it(began=monotonic()): ...\n", [1]),
        ("def test_it():\n    assert time.time()\n", []),
        ("@parametrize('ends', [lambda: time.time()])\ndef test_it(ends): ...\n", []),
    ],
)
def test_what_is_one(text: str, lines: list[int]) -> None:
    assert clocks_read(text) == lines
