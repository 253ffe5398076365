"""Errors of the command itself: standard output or a file fails, and nothing is left behind in the process."""

from __future__ import annotations

import errno
import gc
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oauth2_pop3 import cli
from oauth2_pop3.cli.commands import bridge, providers
from support.product import Product

MAIN = "import sys; from oauth2_pop3.cli import main; sys.exit(main(sys.argv[1:]))"


def full() -> io.TextIOWrapper:
    """A standard output whose every write fails: its disk is full."""
    return open("/dev/full", "w")


def test_standard_output_that_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", full())
    assert cli.main(["providers"]) == 74
    assert capsys.readouterr().err == "oauth2-pop3: cannot write to standard output: No space left on device\n"


def test_octets_on_standard_output_that_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", full())
    monkeypatch.setattr(providers, "run", lambda _: sys.stdout.buffer.write(b"x" * 100_000))
    assert cli.main(["providers"]) == 74
    assert "standard output: No space left" in capsys.readouterr().err


# Regression: "Connection reset: standard output"
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset"),
            "unexpected error: Connection reset",
        ),
        (OSError("timed out"), "unexpected error: timed out"),
        (OSError(), "unexpected error: OSError"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/shadow"), "Permission denied: /etc/shadow"),
    ],
)
def test_an_error_of_something_else_is_not_said_to_be_standard_output_s(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: object) -> None:
        raise error

    monkeypatch.setattr(providers, "run", run)
    before = sys.stdout
    assert cli.main(["providers"]) == 74
    assert capsys.readouterr().err == f"oauth2-pop3: {said}\n"
    assert sys.stdout is before


def test_a_closed_pipe() -> None:
    """The message comes once, and not again when the interpreter ends."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", MAIN, "providers"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (74, "oauth2-pop3: cannot write to standard output: Broken pipe\n")


# Regression: print uses standard output if standard error is None, and a message was read as the token
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("token nobody@example.org", 77, ""),
        ("token nobody@example.org --format json", 77, ""),
        ("check nobody@example.org", 77, ""),
        ("translate rc --output -", 0, "poll x proto imap user a pass b\n"),
    ],
)
def test_without_standard_error_nothing_is_said(
    product: Product, home: Path, arguments: str, code: int, said: str
) -> None:
    (home / "rc").write_text("poll x proto imap user a pass b\n")
    closed = subprocess.run(
        ["sh", "-c", f"exec {product.command} {arguments} 2>&-"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=home,
    )
    assert (closed.returncode, closed.stdout) == (code, said)


@pytest.mark.usefixtures("home")
def test_the_plain_token_leaves_the_garbage_collector_on() -> None:
    assert cli.print_token("ann@example.org", 60) in (77, 78)
    assert gc.isenabled()


@pytest.mark.parametrize("columns", ["60", "100"])
def test_help_is_filled_to_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paragraphs stay apart, and no option is broken at its hyphens."""
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        cli.main(["bridge", "--help"])
    _, *paragraphs = capsys.readouterr().out.partition("\npositional arguments:")[0].rstrip().split("\n\n")
    assert len(paragraphs) == (bridge.__doc__ or "").count("\n\n") + 1
    for paragraph in paragraphs:
        assert all(len(line) <= int(columns) for line in paragraph.splitlines())
    assert "--require-password" in paragraphs[3]
