"""config.toml: an error in it is reported with its line; what `login` writes leaves the rest as it is."""

from __future__ import annotations

import os
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oauth2_pop3.accounts import user_command
from oauth2_pop3.accounts.account import load_account, make_account
from oauth2_pop3.accounts.config import Config, config_file
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, StateLocked
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import StateLock

PROVIDER = """\
# mine
[providers.example]
authorization_endpoint = "https://a.example.org/"   # here
token_endpoint = "https://a.example.org/token"
domains = ["example.org"]
"""
ACCOUNT = '\n[accounts."Ann@example.org"]\nprovider = "example"\n'
ROOT = os.geteuid() == 0


def written(text: str, mode: int = 0o600) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def save(text: str, address: str = "bob@example.org", **values: str) -> str:
    """What save_account makes of a text."""
    path = written(text)
    Config.load().save_account(address, values or {"provider": "example"})
    return path.read_text()


def test_without_a_file(home: Path) -> None:
    config = Config.load()
    assert (config.path, config.providers, config.accounts) == (home / ".config/oauth2-pop3/config.toml", {}, {})


def test_where_it_is_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the XDG specification: to be ignored
    assert config_file() == home / ".config/oauth2-pop3/config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config_file() == home / ".config/oauth2-pop3/config.toml"


# Regression: RuntimeError of pathlib, if a container runs as a user ID that /etc/passwd does not have
def test_without_a_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(OAuth2Pop3Error, match="HOME"):
        config_file()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
@pytest.mark.parametrize("table", ["[providers.x]", '[accounts."a@b"]'])
def test_a_secret_that_others_can_read(home: Path, mode: int, table: str) -> None:
    path = written(f'{table}\nclient_secret = "hush"\n', mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}") as caught:
        Config.load()
    assert f"chmod 600 {path}" in caught.value.hint
    assert "hush" not in str(caught.value)
    path.chmod(0o600)
    Config.load()


def test_without_a_secret_others_may_read_it(home: Path) -> None:
    written(PROVIDER, 0o644)
    assert "example" in Config.load().providers


# Regression: it holds client_secret_command, which we run
def test_a_file_that_anybody_can_write(home: Path) -> None:
    written('[providers.x]\nclient_secret_command = "cat /tmp/x"\n', 0o666)
    with pytest.raises(ConfigError, match="0666"):
        Config.load()


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_a_file_of_somebody_else(home: Path) -> None:
    path = written(PROVIDER)
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="another user"):
        Config.load()
    with pytest.raises(ConfigError, match="another user"):  # nor is it written
        Config(path).save_account("bob@example.org", {"provider": "example"})
    assert path.read_text() == PROVIDER


# Regression: reading it waits for ever
def test_a_pipe_in_its_place(home: Path) -> None:
    written("").unlink()
    os.mkfifo(config_file(), 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        Config.load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[accounts", "not valid TOML"),
        ("a = 1\n", "unknown key a"),
        ("accounts = 1\n", "must be a table"),
        ("[accounts]\nx = 1\n", "must be a table"),
        ("[[providers]]\n", "must be a table"),
        ("token_store = 1\n", "token_store must be a string"),
        ('[accounts."a@b"]\n[accounts."A@B"]\n', "twice"),
    ],
)
def test_a_file_that_says_what_cannot_be(home: Path, text: str, message: str) -> None:
    path = written(text)
    with pytest.raises(ConfigError, match=message) as caught:
        Config.load()
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text(home: Path) -> None:
    written("").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        Config.load()


def test_a_file_that_cannot_be_read(home: Path) -> None:
    written("").unlink()
    config_file().mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        Config.load()


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        (PROVIDER + 'sope = "mail"\n' + ACCOUNT, 6, "Did you mean scope?"),
        (PROVIDER + "pop3_port = '995'\n" + ACCOUNT, 6, ""),
        # Regression: the line was not found if the file has capital letters that were not typed
        (PROVIDER + ACCOUNT + '"redirect-uri" = "x"\n', 9, "Did you mean redirect_uri?"),
        (PROVIDER + ACCOUNT + "zzz = 1\n", 9, "Known keys:"),
        (PROVIDER + ACCOUNT + "token_store = 1\n", 9, ""),
        (
            "\n\n" + PROVIDER.replace("[providers.example]", "  [ providers . 'example' ] # x") + "x=1\n" + ACCOUNT,
            8,
            "",
        ),
    ],
)
def test_the_line_is_named(home: Path, text: str, line: int, hint: str) -> None:
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        load_account("ann@example.org", Config.load())
    assert f"{path}:{line}: " in caught.value.message
    assert hint in caught.value.hint


def test_an_account_is_found_in_any_case(home: Path) -> None:
    written(PROVIDER + ACCOUNT)
    assert load_account("ANN@Example.org").key == "ann@example.org"


# -- what `login` writes


def test_a_new_file_is_the_users_alone(home: Path) -> None:
    Config.load().save_account("ann@example.org", {"provider": "example", "client_id": "1"})
    path = config_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert dict(Config.load().accounts["ann@example.org"]) == {"provider": "example", "client_id": "1"}
    assert '[accounts."ann@example.org"]' in path.read_text()


def test_everything_else_stays(home: Path) -> None:
    text = "# top\n\n" + PROVIDER + ACCOUNT + "client_id = 'old'  # why\n# end\n"
    assert save(text, "ann@example.org", provider="example", client_id="new") == text.replace("'old'", '"new"')
    assert save(text, "ann@example.org", provider="example") == text  # nothing to change
    assert save(text).startswith(text.rstrip("\n"))


def test_an_empty_value_is_taken_out(home: Path) -> None:
    text = save(PROVIDER + ACCOUNT + "client_id = 'old'\n", "ANN@example.org", provider="example", client_id="")
    assert text == PROVIDER + ACCOUNT


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_the_mode_stays(home: Path, mode: int) -> None:
    path = written(PROVIDER, mode)
    Config.load().save_account("bob@example.org", {"provider": "example"})
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_symbolic_link_is_followed(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    target.write_text(PROVIDER)
    link = config_file()
    link.parent.mkdir()
    link.symlink_to(target)
    Config.load().save_account("bob@example.org", {"provider": "example"})
    assert link.is_symlink()
    assert "bob@example.org" in target.read_text()
    assert [path.name for path in link.parent.iterdir()] == ["config.toml"]


ODD = [
    "",
    "[accounts]\n",
    # Regression: ValueError of tomlkit
    'accounts = {"a@b" = {provider = "x"}}\n',
    'accounts."a@b".provider = "x"\n',
    '[accounts]\n"a@b" = {provider = "x"}\n',
    '[accounts."a@b"]\nprovider = "x"\n[providers.y]\nissuer = "https://y"\n[accounts."c@d"]\nprovider = "x"\n',
    '[accounts."bob@example.org"]\n[providers.y]\nissuer = "https://y"\n[accounts."c@d"]\nprovider = "x"\n',
    '[providers.y]\nissuer = "https://y"\n[accounts."c@d".authorization_parameters]\na = "b"\n',
    'token_store = "file"\r\n[accounts."a@b"]\r\nprovider = "x"\r\n',
    "[accounts.'a@b']\nprovider = '''\n[accounts]\n'''\n",
    "# only a comment",
]


@pytest.mark.parametrize("text", ODD)
def test_other_ways_to_write_it(home: Path, text: str) -> None:
    before = tomllib.loads(text)
    after = tomllib.loads(save(text, "bob@example.org", provider="example", client_id="i d"))
    added = after["accounts"].pop("bob@example.org")
    assert added == {"provider": "example", "client_id": "i d"}
    before.setdefault("accounts", {}).pop("bob@example.org", None)
    assert after == before


plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(address=plain, values=st.dictionaries(st.sampled_from(["provider", "client_id", "tenant"]), plain, min_size=1))
@example(address='a"b\\@c.d]', values={"client_id": '"""\\'})
def test_whatever_the_address_is(home: Path, address: str, values: dict[str, str]) -> None:
    text = save(PROVIDER + ACCOUNT, address, **values)
    assert text.startswith(PROVIDER)
    assert dict(Config.load().accounts[address.lower()]).items() >= values.items()


toml = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [*"[]{}.=\"'#\n, ", "accounts", "providers", '"a@b"', "x", "1", "true", "1979-05-27", "token_store", "'''"]
        ),
        max_size=25,
    ).map("".join),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(text=toml)
def test_no_text_makes_another_error_than_ours(home: Path, text: str) -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config = Config.load()
        for address in config.accounts:
            make_account(address, "google", config)
        config.save_account("bob@example.org", {"provider": "google"})
        assert Config.load().accounts["bob@example.org"]["provider"] == "google"
    except OAuth2Pop3Error:
        pass


# Regression: OSError; the person has signed in by then, and what they signed in to is not written down.
@pytest.mark.parametrize("parent", ["file", "/proc"])
def test_a_place_that_cannot_be_written(home: Path, parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / parent))
    config = Config(config_file())
    with pytest.raises(ConfigError, match="cannot write"):
        config.save_account("bob@example.org", {"provider": "example"})


# Regression: exit code 78, as if config.toml were wrong
def test_a_lock_that_is_held_is_a_temporary_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.load()
    monkeypatch.setattr(state_files, "StateLock", partial(StateLock, timeout=0.1))
    with StateLock("config.toml"), ThreadPoolExecutor() as other_thread:
        saved = other_thread.submit(config.save_account, "bob@example.org", {"provider": "example"})
        with pytest.raises(StateLocked, match=r"config\.toml"):
            saved.result()


# -- client_secret_command


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false", "exit code 1"),
        ("true", "printed nothing"),
        ("/nonexistent/command", "cannot be run: there is no program /nonexistent/command"),
        ("echo 'unbalanced", "cannot be run"),
        ("", "cannot be run"),
        ("printf '\\377'", "not UTF-8"),
        ("sleep 5", "did not end"),
    ],
)
def test_a_command_that_gives_no_secret(
    home: Path, command: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_command, "TIMEOUT", 0.2 if "sleep" in command else 10)
    with pytest.raises(ConfigError, match=message):
        user_command.first_line(command, what="client_secret_command")


def test_a_command_that_gives_a_secret(home: Path) -> None:
    assert user_command.first_line("printf 'hush  \\nmore\\n'", what="x") == "hush"
    assert user_command.first_line("echo '$HOME;' `x`", what="x") == "$HOME; `x`"  # no shell


def test_what_a_command_prints_is_never_shown(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        user_command.first_line("sh -c 'echo hush; exit 3'", what="x")
    assert "hush" not in str(caught.value)
