"""Which accounts of a host's file are translated, by which provider, and what the table says of the others.

The dialect of these tests is the simplest there can be: a line an account, `PROTOCOL SERVER USER PASSWORD`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation
from oauth2_pop3.dialects.fetchmailrc import FetchmailRc
from oauth2_pop3.dialects.getmailrc import GetmailRc
from oauth2_pop3.dialects.mpoprc import MpopRc
from oauth2_pop3.dialects.source_text import Edit, SourceText, commented_passwords
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, UsageError
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.translation.decisions import Decision
from oauth2_pop3.translation.translate import TranslatedFile, Translator
from oauth2_pop3_hooks import manager
from support import CONTRIB
from support.providers import built_providers

GMAIL = "pop3 pop.gmail.com ann@gmail.com secret"


class Lines(Dialect):
    name = "lines"

    def recognises(self, file_name: str, content: bytes) -> bool:
        return content.startswith((b"pop3 ", b"imap "))

    def read(self, file_name: str, content: bytes) -> DialectFile:
        return LinesFile(SourceText(file_name, content))


class LinesFile(DialectFile):
    breaks_it = False

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.accounts = []
        self._passwords: list[tuple[int, int]] = []
        at = 0
        for number, line in enumerate(source.text.splitlines(keepends=True), 1):
            protocol, server, user, password = line.split()
            ours = password == "oauth2-pop3"
            obstacle = "It is odd." if password == "odd" else ""
            self.accounts.append(
                DialectAccount(
                    line=number,
                    name=user,
                    protocol=protocol,
                    server=server,
                    username=user,
                    uses_oauth2_pop3=ours,
                    obstacle=obstacle,
                )
            )
            start = at + line.rindex(password)
            self._passwords.append((start, start + len(password)))
            at += len(line)
        self.secrets = [
            span for span, account in zip(self._passwords, self.accounts, strict=True) if not account.uses_oauth2_pop3
        ]

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        edits, remarks = [], {}
        for number, sign_in in sign_ins.items():
            if "never" in sign_in.address:
                remarks[number] = ["Not without the others."]
                continue
            start, end = self._passwords[number]
            edits.append(Edit(start - 1 if self.breaks_it else start, end, "oauth2-pop3"))
            remarks[number] = [f"as {sign_in.address}"]
        return Translation(edits, remarks)


DIALECTS = manager.dialects
GETMAILRC = """[retriever]
type = SimplePOP3SSLRetriever
server = pop.gmail.com
username = ann@gmail.com
password = {}
# today ({})
; '{}'
[destination]
type = Maildir
path = /m/
"""


@pytest.fixture(autouse=True)
def _dialect(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "dialects", lambda: {"lines": Lines, "fetchmailrc": FetchmailRc})


def run(*lines: str, **options: Any) -> TranslatedFile:
    return Translator(**options).translate("rc", "".join(f"{line}\n" for line in lines).encode())


def decision(line: str, **options: Any) -> Decision:
    [only] = run(line, **options).decisions
    return only


def configure(home: Path, text: str) -> None:
    file = home / ".config/oauth2-pop3/config.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)


@pytest.mark.parametrize(
    ("server", "user", "provider"),
    [
        ("pop.gmail.com", "ann@gmail.com", "google"),
        ("pop.gmail.com", "ann@example.org", "google"),  # Google Workspace
        ("POP.googlemail.com.", "ann@googlemail.com", "google"),
        ("outlook.office365.com", "ann@hotmail.com", "outlook"),
        ("outlook.office365.com", "ann@example.org", "microsoft"),
        ("pop-mail.outlook.com", "ann@outlook.com", "outlook"),
        ("pop3.live.com", "ann@live.com", "outlook"),
        ("pop.mail.yahoo.com", "ann@yahoo.de", "yahoo"),
        # The server's name goes before the address: a token is for whom it is sent to.
        ("pop.gmail.com", "ann@yahoo.com", "google"),
    ],
)
def test_the_provider_by_the_server_then_the_address(server: str, user: str, provider: str) -> None:
    found = decision(f"pop3 {server} {user} x")
    assert (found.outcome, found.provider, found.address) == ("translated", provider, user)
    assert found.remarks == (f"as {user}",)


def test_a_server_that_only_the_address_speaks_for() -> None:
    found = decision("pop3 mail.example.com ann@gmail.com x")
    assert found.outcome == "translated"
    assert "check the name" in found.remarks[0]


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1", "proxy", "::1"])
def test_no_token_goes_to_a_proxy(server: str) -> None:
    found = decision(f"pop3 {server} ann@gmail.com x")
    assert found.outcome == "left"
    assert "proxy" in found.why


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("imap imap.gmail.com ann@gmail.com x", "IMAP"),
        ("pop3 pop.gmx.net ann@gmx.de x", "GMX"),
        ("pop3 pop.example.com ann@example.com x", "oauth2-pop3 discover ann@example.com"),
        ("pop3 pop.gmail.com ann x", "no domain"),
        ("pop3 pop.gmail.com ann@gmail.com odd", "It is odd."),
        ("pop3 pop.gmail.com never@gmail.com x", "Not without the others."),
    ],
)
def test_what_is_left_keeps_every_byte(line: str, why: str) -> None:
    result = run(line)
    assert result.decisions[0].outcome == "left"
    assert why in result.decisions[0].why
    assert result.content == f"{line}\n".encode()
    assert result.diff == ""


def test_the_user_s_own_config(home: Path) -> None:
    configure(
        home,
        """\
[providers.example]
issuer = "https://auth.example.org"
pop3_host = "pop.example.org"
domains = ["example.org"]
mechanisms = ["oauthbearer"]
[accounts."ann@gmail.com"]
provider = "example"
[accounts."bob@example.org"]
provider = "example"
""",
    )
    assert decision("pop3 pop.example.org cyd@example.net x").provider == "example"
    assert decision("pop3 other.example.org ann@example.org x").provider == "example"
    assert decision("pop3 localhost ann@gmail.com x").provider == "example", "the account's own row says so"
    assert decision("pop3 pop.example.org bob x").address == "bob@example.org", "the only account of that name"


def test_an_account_of_the_config_without_a_provider_asks_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, its MX record was looked up."""
    configure(home, '[accounts."ann@example.org"]\nclient_id = "x"\n')
    monkeypatch.setattr("oauth2_pop3.providers.mx.mail_exchanges", lambda _: pytest.fail("asked of the network"))
    assert decision("pop3 pop.gmail.com ann@example.org x").provider == "google"


def test_a_translated_account_of_the_config_without_a_provider_asks_nobody(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, its MX record was looked up for what is left to do."""
    configure(home, '[accounts."ann@example.org"]\nclient_id = "x"\n')
    monkeypatch.setattr("oauth2_pop3.providers.mx.mail_exchanges", lambda _: pytest.fail("asked of the network"))
    assert decision("pop3 pop.gmail.com ann@example.org oauth2-pop3").todo[0] == (
        "Run: oauth2-pop3 login ann@example.org"
    )


def test_a_wrong_table_in_the_config_is_named(home: Path) -> None:
    configure(home, '[providers.example]\nissuer = "https://auth.example.org"\ndomains = "example.org"\n')
    with pytest.raises(ConfigError, match="domains must be a list"):
        decision(GMAIL)


@pytest.mark.parametrize(
    ("config", "builds"),
    [("", 1), ('[accounts."ann@gmail.com"]\nprovider = "google"\n', 1), ('[providers.google]\nclient_id = "x"\n', 2)],
)
def test_only_the_providers_that_are_needed_are_built(
    config: str, builds: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, each provider was built for each run, and the account's own five times."""
    configure(home, config)
    built = built_providers(monkeypatch)
    translator = Translator(dialect="lines")
    for _ in range(2):
        assert translator.translate("rc", f"{GMAIL}\n".encode()).decisions[0].outcome == "translated"
    assert set(built) == {"google"}
    assert len(built) == builds


def test_no_https_client_is_loaded(home: Path) -> None:
    """A translation makes no network request, and the HTTP client takes longer to load than a file to translate."""
    code = (
        "import sys\nfrom oauth2_pop3.translation.translate import Translator\n"
        "result = Translator().translate('fetchmailrc', b'poll pop.gmail.com proto pop3 user a@gmail.com ssl')\n"
        "print(result.decisions[0].todo[0], 'requests' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Run: oauth2-pop3 login a@gmail.com False\n"


def test_only(home: Path) -> None:
    result = run(GMAIL, "pop3 pop.gmail.com bob@gmail.com x", only=["BOB@gmail.com"])
    assert [decision.outcome for decision in result.decisions] == ["left", "translated"]
    assert "--only" in result.decisions[0].why


def test_translated_twice() -> None:
    first = run(GMAIL)
    second = Translator().translate("rc", first.content)
    assert second.content == first.content
    assert second.decisions[0].outcome == "already"
    assert second.decisions[0].todo == ("Run: oauth2-pop3 login ann@gmail.com",)


def test_no_password_in_the_diff() -> None:
    result = run(GMAIL, "pop3 pop.example.com bob@example.com other-secret")
    assert "secret" not in result.diff
    assert "-pop3 pop.gmail.com ann@gmail.com ********" in result.diff
    assert "+pop3 pop.gmail.com ann@gmail.com oauth2-pop3" in result.diff
    assert result.holds_passwords


def test_a_password_in_a_comment_is_masked_and_told_of() -> None:
    text = (
        b"# password = old-one\n#pass 'old-two'\n; Passwd: old-three\r\n"
        b"poll pop.gmail.com proto pop3 # pass old-four\n user ann@gmail.com password new # PASSWORD old-five\n"
        b"# the password\n# no passw0rd\n"
    )
    spans = commented_passwords(text.decode())
    assert [text[start:end] for start, end in spans] == [
        b"old-one",
        b"'old-two'",
        b"old-three",
        b"old-four",
        b"old-five",
    ]
    result = Translator().translate("fetchmailrc", text.replace(b";", b"#"))
    assert "old-" not in result.diff
    assert result.diff.count("********") >= 6
    assert "line 1, 2, 3, 4, 5" in result.remarks[0]
    assert b"old-four" in result.content, "a comment is the person's"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fetchmailrc", "poll pop.gmail.com proto pop3 user ann@gmail.com pass '{}' ssl # pw {}\n#x={}.\n"),
        ("mpoprc", "# {}\naccount a\nhost pop.gmail.com\nuser ann@gmail.com\ntls on\npassword {}\n# was: {}\n"),
        ("getmailrc", GETMAILRC),
    ],
)
def test_a_password_that_a_comment_repeats_is_masked_and_told_of(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the comment calls it."""
    monkeypatch.setattr(manager, "dialects", DIALECTS)
    result = Translator().translate(name, text.format(*["Hush4242"] * 3).encode())
    assert result.diff
    assert "Hush" not in result.diff
    assert "There may be an old password in one (line " in result.remarks[0]


def test_a_short_password_does_not_hide_every_comment_with_its_letters() -> None:
    text = b"poll pop.gmail.com proto pop3 user ann@gmail.com pass a ssl\n# all day, a b\n"
    assert "# all day, ******** b" in Translator().translate("fetchmailrc", text).diff


def test_what_is_left_for_the_person(home: Path) -> None:
    todo = decision(GMAIL).todo
    assert todo[0] == "Run: oauth2-pop3 login ann@gmail.com"
    assert "POP" in todo[1]
    assert decision("pop3 pop.gmail.com ann@example.org x").todo[0].endswith("login ann@example.org --provider google")
    tokens = home / ".local/state/oauth2-pop3/tokens"
    tokens.mkdir(mode=0o700, parents=True)
    tokens.parent.chmod(0o700)
    (tokens / "ann@gmail.com.json").write_text(Token("at", int(time.time()) + 99, "rt").to_json())
    (tokens / "ann@gmail.com.json").chmod(0o600)
    configure(home, '[accounts."ann@gmail.com"]\nprovider = "google"\n')
    assert decision(GMAIL).todo == ()


def test_a_command_to_run_is_quoted_for_a_shell() -> None:
    assert decision("pop3 pop.gmail.com o'x@gmail.com x").todo[0] == """Run: oauth2-pop3 login 'o'"'"'x@gmail.com'"""


def test_a_translation_that_would_change_whose_mail_it_is_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(LinesFile):
        def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
            at = self.source.text.index("ann")
            return Translation([Edit(at, at + 3, "bob")])

    monkeypatch.setattr(Lines, "read", lambda _, name, content: Broken(SourceText(name, content)))
    with pytest.raises(OAuth2Pop3Error, match="would change what its accounts are"):
        run(GMAIL)


@pytest.mark.parametrize("name", ["getmailrc/google", "fetchmailrc/google", "fetchmailrc/two-users", "mpoprc/google"])
def test_the_samples_are_what_a_translation_makes(name: str) -> None:
    dialects: dict[str, Dialect] = {"getmailrc": GetmailRc(), "fetchmailrc": FetchmailRc(), "mpoprc": MpopRc()}
    file = CONTRIB / name
    accounts = dialects[name.partition("/")[0]].read(name, file.read_bytes()).accounts
    assert accounts
    assert all(account.uses_oauth2_pop3 for account in accounts)


def test_the_dialect() -> None:
    with pytest.raises(ConfigError, match="does not look like"):
        Translator().translate("rc", b"what is this")
    with pytest.raises(UsageError, match="no dialect bogus"):
        run(GMAIL, dialect="bogus")
    with pytest.raises(UsageError, match="--keep-type"):
        run(GMAIL, keep_type=True)
    assert Translator(dialect="lines").translate("rc", b"").decisions == ()
