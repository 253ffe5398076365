"""Every command line of the README, the guides and contrib's samples is tried.

TRIALS says how, by the line's form; a line that no form fits is a failure, so that none is added that nobody tries.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

import oauth2_pop3.cli.commands
from docs.conftest import ACCOUNTS, Playground, configuration, login
from oauth2_pop3.cli import main
from support import ROOT
from support.documents import (
    Command,
    all_blocks,
    blocks,
    commands,
    documents,
    inline_code,
    pipeline,
    without_blocks,
)
from support.hosts import said
from support.product import Product, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
Trial = Callable[..., None]
"""A trial gets the words of a line and, unless it is in WITHOUT_A_HOME, the servers and a home."""


# --- how a line is tried


def parses(words: list[str]) -> None:
    """Our own parser takes it. tests/oauth2/grants and tests/token_import try with real servers what it does."""
    with pytest.MonkeyPatch.context() as patch:
        for module in pkgutil.iter_modules(oauth2_pop3.cli.commands.__path__):
            command = importlib.import_module(f"{oauth2_pop3.cli.commands.__name__}.{module.name}")
            patch.setattr(command, "run", lambda _options: 0, raising=False)
        try:
            assert main(words[1:]) == 0
        except SystemExit as end:
            assert end.code == 0, shlex.join(words)


def runs(words: list[str], _playground: Playground, product: Product) -> None:
    """The command works, in a home with accounts and old configuration files."""
    if "--undo" in words:
        product.run(*words[1:-1], "--write", check=True)
    elif words[1:3] == ["bridge-password", "--remove"]:
        product.run("bridge-password", *words[3:], check=True)
    at_once = ("--jitter", "0") if "refresh" in words else ()
    product.run(*words[1:], *at_once, check=True)


def signs_in(words: list[str], playground: Playground, product: Product) -> None:
    """The person at the browser says yes, and the account is ready. Placeholders are the sandbox's client."""
    address = words[2]
    sandbox = playground.sandboxes["google" if "google" in words[3:] else ACCOUNTS[address]]
    secret = product.home / "pass"
    secret.write_text(f"#!/bin/sh\necho {sandbox.client_secret}\n")
    secret.chmod(0o700)
    options = [{"ID": sandbox.client_id, "TENANT": "common"}.get(word, word) for word in words[3:]]
    options = [word.replace("pass show", f"{secret} show") for word in options]
    sign_nobody_in(product, playground)
    if "--mailbox" in options:
        assert login(product, sandbox, address).returncode == 0
        result = product.run(*words[1:])
    else:
        result = login(product, sandbox, address, *options)
    assert result.returncode == 0, said(result)
    product.run("token", options[-1] if "--mailbox" in options else address, check=True)


def sign_nobody_in(product: Product, playground: Playground) -> None:
    """The command works in a home as after the installation: no state, and no account in config.toml."""
    shutil.rmtree(product.state)
    product.configure(configuration(playground.sandboxes))


def signs_out(words: list[str], playground: Playground, product: Product) -> None:
    """It runs after a sign-in of its own, since the server forgets those of the other copies too."""
    sign_nobody_in(product, playground)
    assert login(product, playground.sandbox(words[2]), words[2]).returncode == 0
    product.run(*words[1:], check=True)
    assert product.run("token", words[2]).returncode == 77


def bridges(words: list[str], playground: Playground, product: Product) -> None:
    """The bridge connects to the sandbox instead of the provider: a client signs in, or a port is opened."""
    sandbox = playground.sandboxes["google"]
    assert words[2:4] == ["pop.gmail.com", "995"]
    there = [sandbox.pop3_host, str(sandbox.pop3_port), "--ca-certs", str(sandbox.ca_certs)]
    if "--listen" not in words:
        dialogue = "USER you@gmail.com\nPASS any\nSTAT\nQUIT\n"
        result = product.run("bridge", *there, *words[4:], stdin=dialogue, check=True)
        assert result.stdout.count("+OK") == 5, said(result)
        return
    for port in (str(random.randint(20_000, 30_000)) for _ in range(5)):
        options = [port if word == "1110" else word for word in words[4:]]
        command = [product.command, "bridge", *there, *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            process.kill()
        if "uses this port" not in first:  # another program listens there
            break
    assert port in first


def demonstrates(words: list[str], _playground: Playground, product: Product) -> None:
    """It runs to its end; with --keep, until it is told to end, after a message has been fetched."""
    keep = "--keep" in words
    with subprocess.Popen(
        [product.command, *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if keep:
            process.stdin.write("\n")
            process.stdin.flush()
        shown = ""
        for line in process.stdout:
            shown += line
            if keep and line.startswith("A new message"):
                process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert "5 messages" in shown


def runs_in_a_shell(words: list[str], _playground: Playground, product: Product) -> None:
    """It makes directories in an empty home."""
    run("sh", "-euc", " ".join(words).replace("~", str(product.home / "new")), check=True)


def is_a_script(words: list[str]) -> None:
    """The file is there, and a shell can read it. What it does: test_try.py; run.sh is what runs this."""
    script = ROOT / words[1]
    run("sh", "-n", str(script), check=True)
    arguments = iter(words[2:])
    for argument in arguments:
        if argument in ("-k", "-n"):  # pytest's, each with a value
            next(arguments)
        else:
            assert argument in script.read_text() if argument.startswith("--") else (ROOT / argument).exists(), argument


def getmail_takes_it(words: list[str], _playground: Playground, product: Product) -> None:
    """The real getmail reads its file with these options."""
    (product.home / ".getmail/getmailrc").write_text(
        "[retriever]\ntype = oauth2-pop3\nusername = you@gmail.com\n[destination]\ntype = Maildir\npath = ~/Maildir/\n"
    )
    getmail = str(Path(sys.executable).with_name("getmail"))
    run(getmail, *words[1:], "--dump", check=True)


def installs_ours(words: list[str]) -> None:
    """It names our distribution, and extras that pyproject.toml has. tests/house/test_packaging.py runs pip."""
    for word in words[2:]:
        name, _, extra = word.rstrip("]").partition("[")
        if name == "oauth2-pop3":
            assert extra in {"", *PROJECT["optional-dependencies"]}, word
        else:
            assert name in {"getmail6", ".", "--user", "--break-system-packages"}, word


def is_known(_words: list[str]) -> None:
    """It is tried elsewhere in this form: the comment beside it in TRIALS says where."""


WITHOUT_A_HOME = (parses, is_a_script, installs_ours, is_known)
TRIALS: Sequence[tuple[str, Trial]] = (
    # our own commands, which are run
    (
        r"oauth2-pop3 login \S+@\S+( --(provider|client-id|tenant|also|mailbox|client-secret-command) [^-]\S*)*",
        signs_in,
    ),
    (
        r"oauth2-pop3 login you@gmail.com --client-id ID --client-secret-command 'pass show google/oauth2-pop3'",
        signs_in,
    ),
    (r"sudo -u fetchmail /opt/oauth2-pop3/bin/oauth2-pop3 login you@gmail.com", signs_in),
    (r"oauth2-pop3 logout \S+", signs_out),
    (r"oauth2-pop3 token \S+@\S+( --(for|format|min-validity) \S+)*", runs),
    (r"oauth2-pop3 (status|check|providers)", runs),
    (r"oauth2-pop3 check (--all|\S+@\S+( --days 7)?)", runs),
    (r"oauth2-pop3 refresh (--all|\S+@\S+)", runs),
    (r"oauth2-pop3 discover \S+@\S+( --save)?", runs),
    (r"oauth2-pop3 translate( ~/\S+)?( --write| --undo)?", runs),
    (r"oauth2-pop3 bridge-password (--list|(--remove )?\S+@\S+)", runs),
    (r"oauth2-pop3 bridge pop.gmail.com 995( --listen 1110)?", bridges),
    (r"oauth2-pop3 getmail --version", runs),
    (r"oauth2-pop3 sandbox( --act google --keep)?", demonstrates),
    (r"oauth2-pop3 bridge --help", runs),
    # our own commands, for servers that only other tests have
    (r"oauth2-pop3 login \S+ (.* )?--grant (device_code|client_credentials|jwt_bearer|password)\b.*", parses),
    (r"oauth2-pop3 import (FILE|-)( --.*)?", parses),
    # other programs
    (r"sh (contrib/try|tests/run)\.sh( .*)?", is_a_script),
    (r"mkdir -p -m 700( ~/\S+)+", runs_in_a_shell),
    (r"getmail( --quiet)?", getmail_takes_it),
    (r"pip install .*", installs_ours),
    (r"/opt/oauth2-pop3/bin/pip install oauth2-pop3", installs_ours),
    (r"python3 -m venv /opt/oauth2-pop3", is_known),  # as tests/run.sh does
    (r"pipx inject --include-apps getmail6 oauth2-pop3", is_known),  # tests/house/test_packaging.py
    (r"uv tool install getmail6 --with-executables-from oauth2-pop3", is_known),  # tests/house/test_packaging.py
    (r"apt install python3-tqdm", is_known),  # tests/hosts/getmail6/test_progress.py
    (r"curl pop3://127\.0\.0\.1:1110 --user you@gmail\.com", is_known),  # tests/bridge/test_peer.py
    (r"keyring get tatsh-mutt-oauth2 NAME", is_known),  # tests/token_import
)


def trial(text: str) -> Trial | None:
    """How a command is tried; None if nothing is said about it."""
    line = " ".join(text.split())
    return next((trial for form, trial in TRIALS if re.fullmatch(form, line)), None)


def bare(command: Command) -> str:
    """A line without its comment."""
    return re.sub(r"\s+#.*", "", command.text)


# --- the lines


EVERY_LINE = {bare(command): command.place for command in reversed(commands())}
"""Each command once, with the place of its first occurrence."""


def test_there_are_lines() -> None:
    assert len(EVERY_LINE) > 50


def test_a_line_that_nobody_tries_is_found() -> None:
    """The negative control."""
    assert trial("oauth2-pop3 login you@gmail.com --frobnicate") is None
    assert trial("rm -rf ~/.local/state/oauth2-pop3") is None
    assert trial("oauth2-pop3 token you@gmail.com; reboot") is None


@pytest.mark.parametrize("line", EVERY_LINE, ids=lambda line: line)
def test_a_line(line: str, request: pytest.FixtureRequest) -> None:
    how = trial(line)
    assert how, f"{EVERY_LINE[line]}: say in TRIALS how {line!r} is tried"
    words = shlex.split(line)
    if words[0] == "sudo":
        words = ["oauth2-pop3", *words[4:]]
    if how in WITHOUT_A_HOME:
        how(words)
        return
    product = request.getfixturevalue("lived_in")
    if how is not runs_in_a_shell:
        words = [word.replace("~", os.environ["HOME"], 1) if word.startswith("~") else word for word in words]
    how(words, request.getfixturevalue("playground"), product)


def test_no_form_is_left_over() -> None:
    """TRIALS has no pattern that matches no line any more."""
    lines = [" ".join(line.split()) for line in EVERY_LINE]
    lines += [part for code in code_with_commands() for part in map(str.strip, pipeline(code))]
    assert [form for form, _ in TRIALS if not any(re.fullmatch(form, line) for line in lines)] == []


# --- commands inside of sentences and tables


@cache
def code_with_commands() -> list[str]:
    """Inline code that begins with a program of the guides."""
    programs = ("oauth2-pop3 ", "pip ", "pipx ", "uv ", "apt ", "sh ", "sudo ", "keyring ")
    return sorted({code for file in documents() for code in inline_code(file) if code.startswith(programs)})


SHORT_FORMS = (
    r"oauth2-pop3 (login|token|translate|import|check|status|logout|getmail|bridge|providers|discover)( …)?",
    r"oauth2-pop3 COMMAND --help",
    r"oauth2-pop3 login ADDRESS",
    r"pip install( --user| --target)?",
    r"oauth2-pop3 bridge %h 995",
)
"""Short forms by which prose names a command; the guides have whole lines of all of them."""


def test_no_command_line_hides() -> None:
    """Only what documents.py finds is tried: no other kind of block, and nothing before a command's name."""
    found = {command.text for command in commands()}
    for file in documents():
        prose = without_blocks(file)
        assert not re.search(r"^ *~~~|<pre|^(?: {4,}|\t)(?:\S* )*oauth2-pop3 ", prose, re.MULTILINE), file
        for block in blocks(file, "text"):
            for line in block.text.splitlines():
                if re.search(r"(?<![\w./:-])oauth2-pop3 [a-z-]+", line):
                    assert line.strip() in found, f"{block}: {line}"


@pytest.mark.parametrize("code", code_with_commands())
def test_a_command_in_a_sentence(code: str) -> None:
    if any(re.fullmatch(form, code) for form in SHORT_FORMS):
        return
    for part in pipeline(code):
        how = trial(part)
        assert how, f"say in TRIALS how {part!r} is tried, or in SHORT_FORMS that it is short for a line"
        if how in WITHOUT_A_HOME:
            how(shlex.split(part))
        elif part.startswith("oauth2-pop3 "):
            parses(shlex.split(part))


def test_no_command_hides_in_a_block_of_text() -> None:
    for block in all_blocks("text"):
        assert not re.search(r"^\s*(\$ )?(oauth2-pop3|pip|sh|getmail|apt) ", block.text, re.MULTILINE), str(block)
