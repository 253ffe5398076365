"""getmail's progress bar as a person sees it: the unmodified getmail, from PyPI and Debian, Dovecot, a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pyte
import pytest
import tqdm

from servers.authorization_server import AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot, message
from servers.faulty_path import Fault, FaultyPath
from support.hosts import until
from support.product import Getmail, Product
from support.terminal import on_a_terminal

ADDRESS = "progress@example.org"
MESSAGES = 30
BAR = re.compile(r"progress@example\.org: (\d+)/(\d+) messages \|\S* *\| \S+/\S+B, +\S+B/s, \S+ left(\^C)?")


class Seen:
    """What a person sees on a terminal of 80 columns. bars: by what they say. lines: those left at the end."""

    def __init__(self, written: str) -> None:
        self.written = written
        screen = pyte.Screen(80, 40)
        stream = pyte.Stream(screen)
        self.bars: list[tuple[int, int]] = []
        for piece in re.split(r"(?=[\r\n])", written):
            stream.feed(piece)
            self.lines = [line.rstrip() for line in screen.display if line.strip()]
            for line in self.lines:
                if "|" in line:
                    bar = BAR.fullmatch(line)
                    assert bar, f"a torn bar: {line}"
                    self.bars.append((int(bar[1]), int(bar[2])))

    @property
    def text(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def ready(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_MININTERVAL", "0")  # seconds between two bars
    dovecot.clear(ADDRESS)
    dovecot.add_messages(ADDRESS, MESSAGES)
    product.use(authorization_server, dovecot)
    product.login(authorization_server, ADDRESS).check_returncode()


def run(getmail: Getmail, arguments: str, shell: str = "", typed: dict[str, str] | None = None) -> Seen:
    """Run getmail on a terminal. shell: what comes before it. arguments: may end in redirections."""
    command = f"{shlex.join(getmail.command)} --getmaildir {getmail.directory} {arguments}"
    return Seen(on_a_terminal("sh", "-c", f"{shell} {command}", typed=typed, pause=0.2, timeout=180))


def test_where_it_is_shown(
    any_getmail: Getmail, ready: None, dovecot: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "/usr/bin" in any_getmail.command[0]:  # as Debian's python3-tqdm has it
        shutil.copytree(Path(tqdm.__file__).parent, tmp_path / "tqdm")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    any_getmail.oauth2(dovecot, ADDRESS)
    for arguments in ("-q", f"> {tmp_path}/lines", f"-q 2> {tmp_path}/errors < /dev/tty; exec cat {tmp_path}/errors"):
        any_getmail.forget()
        seen = run(any_getmail, arguments)
        assert len(set(any_getmail.message_ids())) == MESSAGES, seen.text
        assert seen.lines == [], "something stays behind"
        if "2>" in arguments:
            assert seen.written == "", "a file is not a terminal"
        else:
            assert seen.bars
            assert seen.bars == sorted(seen.bars)
            assert {total for _, total in seen.bars} == {MESSAGES}
            assert "\x1b" not in seen.written, "neither colours nor movements but to the beginning of the line"
    assert (tmp_path / "lines").read_text().count(" delivered") == MESSAGES
    assert run(any_getmail, "-q").written == "", "a bar, though there is nothing new"
    dovecot.deliver(ADDRESS, message(99, ADDRESS, 3_000_000))
    seen = run(any_getmail, "-q")
    assert {messages for messages, _ in seen.bars} == {0, 1}
    assert len(set(re.findall(r"0/1 messages [^\r]* (\S+)/3.05MB", seen.written))) > 3, "it stood still in a message"


def test_where_it_is_not(
    getmail: Getmail, ready: None, dovecot: Dovecot, home: Path, subtests: pytest.Subtests
) -> None:
    without = home / "without"
    without.mkdir()
    (without / "tqdm.py").write_text("raise ModuleNotFoundError('No module named tqdm', name='tqdm')\n")
    getmail.oauth2(dovecot, ADDRESS)
    for arguments, shell in (
        ("", ""),
        ("-q", f"PYTHONPATH={without}"),
        ("-q", "TERM=dumb"),
        ("-q & wait", "set -m;"),
        ("-q < /dev/null", "setsid --wait"),
        ("-q 2>&1 | cat", ""),
    ):
        with subtests.test(f"{shell} getmail {arguments}"):
            getmail.forget()
            seen = run(getmail, arguments, shell)
            assert seen.bars == []
            assert len(set(getmail.message_ids())) == MESSAGES
            if "-q" in arguments:
                assert seen.written == ""
            else:
                assert sum(" delivered" in line for line in seen.written.splitlines()) == MESSAGES


def test_it_is_gone_before_anything_else_is_written(
    getmail: Getmail,
    ready: None,
    dovecot: Dovecot,
    certificates: Certificates,
    subtests: pytest.Subtests,
) -> None:
    with FaultyPath(certificates, dovecot) as path:
        where = f"type = oauth2-pop3\nserver = localhost\nport = {path.port}\nusername = {ADDRESS}\nread_ahead = 0\n"
        with subtests.test("a message that the server refuses"):
            path.fault = Fault("RETR 20", "-ERR it is nowhere to be found")
            getmail.configure(where)
            seen = run(getmail, "-q")
            assert seen.text.startswith("Retrieval error: the POP3 server localhost responded to RETR 20 with")
            assert seen.text.endswith("Skipping message...")
            assert [total for _, total in seen.bars] == sorted((total for _, total in seen.bars), reverse=True)
            assert seen.bars[-1][1] == MESSAGES - 1
            assert len(getmail.message_ids()) == MESSAGES - 1
        with subtests.test("a session that is closed"):
            getmail.forget()
            path.fault = Fault("RETR 20", "end", times=9)
            getmail.configure(f"{where}unique_ids = false\n")
            seen = run(getmail, "-q")
            assert seen.text == "getmailrc: operation error (the POP3 server localhost closed the connection)"
            assert seen.bars
        with subtests.test("a session that is closed, and another one"):
            getmail.forget()
            path.fault = Fault("RETR 20", "end")
            getmail.configure(where)
            seen = run(getmail, "-q")
            assert seen.lines == []
            assert seen.bars == sorted(seen.bars)
            assert len(getmail.message_ids()) == MESSAGES
        with subtests.test("Ctrl-C"):
            getmail.forget()
            path.fault = Fault("RETR 5", "stall")  # otherwise a child of getmail's may get the signal, and say so
            seen = run(getmail, "-q", "exec", typed={" 4/30": "\x03"})
            assert seen.lines == ["getmailrc: user aborted"]
            assert seen.bars
            assert len(getmail.message_ids()) == 4


def test_a_terminal_that_goes_away_takes_no_message_with_it(getmail: Getmail, ready: None, dovecot: Dovecot) -> None:
    getmail.oauth2(dovecot, ADDRESS)
    command = f"{shlex.join(getmail.command)} --getmaildir {getmail.directory} -q"
    on_a_terminal("sh", "-c", f"trap '' HUP; {command}; :", until=" 3/30")
    assert len(getmail.message_ids()) < MESSAGES
    until(getmail.seen_files)
    assert len(set(getmail.message_ids())) == len(getmail.message_ids()) == MESSAGES
