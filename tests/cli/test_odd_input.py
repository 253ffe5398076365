"""Files that no program would write: a command names the file, says what is wrong, and ends with the right code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from oauth2_pop3.accounts.config import config_file
from oauth2_pop3.cli import main

ACCOUNT = '[accounts."ann@example.org"]\nprovider = "google"\nclient_id = "1"\n'
LONG = "9" * 5000
CONFIGS: dict[str, tuple[str | bytes, str]] = {
    "an integer of 5,000 digits": (f"# mine\nnotify_every = {LONG}\n", "config.toml:2: the number has too many digits"),
    "the same in hexadecimal": (f"{ACCOUNT}refresh_token_lifetime = 0x{'f' * 5000}\n", "config.toml:4: .*too large"),
    "an integer of 65 bits": (f"{ACCOUNT}pop3_port = {2**64}\n", "config.toml:4: pop3_port is too large"),
    "10,000 brackets": ("a = " + "[" * 10_000, "config.toml: lists or tables are nested"),
    "100 tables in each other": ("[providers]\nx = " + "{a = " * 100 + "1" + "}" * 100, "nested"),
    "a key of 5,000 parts": (f"\n{'a.' * 5000}a = 1\n", "config.toml:2: the key has too many parts"),
    "the same with quotes": ("[" + '"a".' * 5000 + "a]\n", "config.toml:1: the key has too many parts"),
    "a date": (ACCOUNT.replace('"google"', "1979-05-27T07:32:00Z"), "config.toml:2: .*provider must be a string"),
    "a date as a store": ("token_store = 1979-05-27\n", "config.toml: token_store must be a string"),
    "infinity": ("notify_every = inf\n", "config.toml: notify_every must be a number of seconds"),
    "not a number": ("notify_every = nan\n", "config.toml: notify_every must be a number of seconds"),
    "1e400": (f"{ACCOUNT}pop3_port = 1e400\n", "config.toml:4: .*pop3_port must be a whole number"),
    "a NUL": (f'{ACCOUNT}ca_certs = "a\\u0000b"\n', "config.toml:4: .*ca_certs must not contain a NUL"),
    "a NUL in a command": ('notify_command = "a\\u0000b"\n', "config.toml: notify_command must not contain a NUL"),
    "half a letter": ('notify_command = "\\ud800"\n', r"config.toml is not valid TOML.*line 1"),
    "a key twice": ("notify_every = 1\nnotify_every = 2\n", "config.toml is not valid TOML.*line 2"),
    "a URL that is none": (f'{ACCOUNT}token_endpoint = "https://[[["\n', "config.toml:4: .*must be an https:// URL"),
    "a tenant that makes a URL none": (
        f'{ACCOUNT}issuer = "https://{{tenant}}"\ntenant = "[["\n',
        "config.toml:4: .*issuer must be an https:// URL",
    ),
    "octets that are not UTF-8": (b'notify_command = "\xff"\n', "config.toml is not UTF-8 text"),
    "UTF-16": (ACCOUNT.encode("utf-16"), "config.toml is not UTF-8 text"),
}


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and what was said, which must be fit for a terminal."""
    code = main(arguments)
    output = capsys.readouterr()
    assert output.err.replace("\n", "").isprintable()
    assert "Traceback" not in output.err
    return code, output.err


@pytest.mark.parametrize("name", CONFIGS)
def test_config_toml(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, expected = CONFIGS[name]
    path = config_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    code, message = said(["token", "ann@example.org", "--min-validity", "0"], capsys)
    assert code == 78
    assert re.search(expected, message)
    assert str(path) in message


@pytest.mark.parametrize("kind", ["a directory", "not a regular file"])
def test_config_toml_that_is_no_file(kind: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file()
    path.parent.mkdir(parents=True)
    (os.mkdir if kind == "a directory" else os.mkfifo)(path)
    code, message = said(["status"], capsys)
    assert code == 78
    assert f"cannot read {path}: it is {kind}" in message


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("content", ["", ACCOUNT])
def test_an_empty_file_and_a_byte_order_mark_are_no_faults(
    before: bytes, content: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(before + content.encode())
    assert said(["status"], capsys) == (0, "")


GETMAILRC = (
    "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = a@gmail.com\n"
    "password = hush\n[destination]\ntype = Maildir\npath = ~/Mail/\n[options]\ndelete = no\n"
)
HOST_FILES: dict[str, tuple[str, str, str]] = {
    "a port of 5,000 digits": (
        "fetchmailrc",
        f"poll pop.gmail.com proto pop3 port {LONG} user a@gmail.com",
        "not a port",
    ),
    "a port with two signs": (
        "fetchmailrc",
        "poll pop.gmail.com proto pop3 service --5 user a@gmail.com",
        "not a port",
    ),
}


@pytest.mark.parametrize("name", HOST_FILES)
def test_a_host_file(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dialect, content, expected = HOST_FILES[name]
    file = home / dialect
    file.write_text(content)
    code, message = said(["translate", str(file), "--dialect", dialect], capsys)
    assert code == 78
    assert expected in message
    assert "hush" not in message
    assert file.read_text() == content


SWALLOWED = {
    "fetchmailrc": [
        "poll pop.gmail.com proto pop3 user 'a@gmail.com password \"hush\"\npoll b.example user 'c' password hush",
        "poll pop.gmail.com proto pop3 ssl user 'a@gmail.com password \"hush\"\n' password hush\n",
        "poll pop.gmail.com proto pop3 ssl user a@gmail.com is password hush password hush\n",
        "poll pop.gmail.com proto pop3 user password hush\n",
        (
            "defaults proto pop3 ssl\npoll pop.gmail.com\n user 'a@gmail.com' there is 'you\n keep\n"
            "poll b.example\n user c, password 'hush', is me here, no keep\n"
        ),
    ],
    "getmailrc": [
        GETMAILRC.replace("\npassword", "\n  password"),
        GETMAILRC.replace("delete = no", "arguments = ('--password=hush',)"),
    ],
    "mpoprc": [
        "account a\npassword=hush\n",
        "account a\nhost pop.gmail.com\nuser a@gmail.com password hush\ntls on\n",
        "account a\nhost pop.gmail.com\ntls on password hush\n",
        "account a password hush\nhost pop.gmail.com\ntls on\nuser a@gmail.com\n",
        "account a\nhost x\nuser y password hush\naccount b\nhost pop.gmail.com\ntls on\nuser a@gmail.com\n",
        "account a: b password hush\n",
    ],
}


@pytest.mark.parametrize(
    ("dialect", "content"), [(dialect, content) for dialect, files in SWALLOWED.items() for content in files]
)
def test_a_password_that_another_value_has_swallowed(
    dialect: str, content: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quotation mark or a line end is missing: what the host takes for a name is still a password."""
    file = home / dialect
    file.write_text(content)
    assert main(["translate", str(file), "--dialect", dialect]) in (0, 1, 78)
    assert "hush" not in "".join(capsys.readouterr())


def test_values_of_a_getmailrc_that_are_odd(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are Python's literals, of which some cannot be made, and others cannot be printed."""
    for command in ("({[]: 1}, 'x')", f"(0x{'f' * 5000}, 'token')", f"'{LONG}'", "-" * 10_000, "(" * 1000):
        file = home / "getmailrc"
        file.write_text(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = a@gmail.com\n"
            f"port = {LONG}\npassword_command = {command}\n[destination]\ntype = Maildir\npath = ~/Mail/\n"
        )
        code, _ = said(["translate", str(file)], capsys)
        assert code == 0


def test_an_address_of_a_strangers_file_cannot_write_to_the_terminal(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "token.json"
    file.write_text('{"refresh_token": "x", "user": "a\\u001b]0;owned\\u0007@gmail.com"}')
    code, message = said(["import", str(file)], capsys)
    assert code == 78
    assert "the address in the file is damaged" in message
