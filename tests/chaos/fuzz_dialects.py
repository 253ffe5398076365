"""Targets: the hosts' configuration files: read, translated, and read again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

from chaos.fuzz_files import home
from chaos.fuzz_target import Run, Target
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.dialects.mpoprc import MpopRc
from oauth2_pop3.dialects.mpoprc.installed import DEBIAN_12
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.translation.translate import Translator

PASSWORD = re.compile(rb"hush[0-9a-f]{8}")
"""The passwords of the seeds: a mark by which they are found wherever they come out."""
_SET = re.compile(
    rb"(?:^|[ \t])pass(?:word)?(?:[ \t]*+[=:][ \t]*+|[ \t]++)[\"']?(hush[0-9a-f]{8})(?=[\"'\s,])", re.MULTILINE
)


def _secrets(content: bytes) -> set[bytes]:
    """The passwords that any reader would take for one: set as such, and not written anywhere else."""
    found = (
        (match[1], content[content.rfind(b"\n", 0, match.start()) + 1 : match.start()])
        for match in _SET.finditer(content)
    )
    return {mark for mark, before in found if content.count(mark) == 1 and not set(before) & set(b"#;\"'=")}


def _of(dialect: str) -> Callable[[Path], AbstractContextManager[Run]]:
    @contextmanager
    def made(directory: Path) -> Iterator[Run]:
        config = Config.from_text("", directory / "config.toml")
        name = str(directory / dialect)
        with home(directory), patch.object(MpopRc, "_version", DEBIAN_12):
            translator = Translator(dialect=dialect, config=config)
            keeping = Translator(dialect=dialect, config=config, keep_type=True) if dialect == "getmailrc" else None
            recognising = Translator(config=config)

            def parse(content: bytes) -> None:
                for known in recognising.dialects.values():
                    known.recognises(name, content)
                try:
                    translated = translator.translate(name, content)
                    if keeping:
                        keeping.translate(name, content)
                except OAuth2Pop3Error as error:
                    said = f"{error}".encode("utf-8", "replace")
                    assert not _secrets(content).intersection(PASSWORD.findall(said)), "a password in a message"
                    assert b"fault of oauth2-pop3" not in said, "the accounts' identities would change"
                    raise
                said = "".join(map(str, (translated.diff, translated.remarks, translated.decisions))).encode(
                    "latin-1", "replace"
                )
                assert not _secrets(content).intersection(PASSWORD.findall(said)), "a password in the diff"
                if zlib.crc32(content) % 4 == 0:
                    again = translator.translate(name, translated.content)
                    assert again.content == translated.content, "a second translation changes the file"

            yield parse

    return made


_GETMAILRC = b"""\
[retriever]
type = SimplePOP3SSLRetriever
server = pop.gmail.com
username = you@gmail.com
password = hush0000000a
# password = hush0000000b
ca_certs = /etc/ssl/certs/ca-certificates.crt

[destination]
type = Maildir
path = ~/Mail/

[options]
read_all = false
delete_after = 7
"""
_OTHER_GETMAILRC = b"""\
[options]
verbose: 1
[retriever]
  type: MultidropPOP3SSLRetriever
  server: outlook.office365.com
  port: 995
  username: me@outlook.com
  envelope_recipient: delivered-to:1
  password_command: ("pass", "hush0000000c",
      "show")
  ssl_fingerprints: ("aa", "bb")
[destination]
type = MDA_external
path = /usr/bin/procmail
"""
_FETCHMAILRC = b"""\
# hush0000000a is the old password
set daemon 300
defaults proto pop3 ssl sslcertck
poll pop.gmail.com
  user 'you@gmail.com' there is 'you' here password "hush0000000b"
  options keep ssl sslcertpath /etc/ssl
poll outlook.office365.com proto pop3 port 995 auth password
  user me@outlook.com, password 'hush0000000c', is me here, no keep
  user him@outlook.com with password hush0000000d and fetchall
skip imap.example.org proto imap user x pass hush0000000e
"""
_MPOPRC = b"""\
defaults
tls on
tls_starttls off
# password hush0000000a
account gmail
host pop.gmail.com
user you@gmail.com
password hush0000000b
delivery maildir ~/Mail
account outlook : gmail
host outlook.office365.com
user me@outlook.com
passwordeval "echo hush0000000c"
account default : outlook
"""
_GETMAIL_WORDS = (
    *(
        b"[retriever]",
        b"[DEFAULT]",
        b"password = ",
        b"hush0000000f",
        b"\n  ",
        b"password_command = ",
        b"port = ",
        b" =",
    ),
    *(b"BrokenUIDLPOP3SSLRetriever", b"SimpleIMAPRetriever", b"use_netrc = true\n", b"ssl_fingerprints = ({[]:1},)"),
    *(b"('oauth2-pop3', 'token', 0x1)", b"use_xoauth2 = true\n", b"starttls", b"username = "),
)
_FETCHMAIL_WORDS = (
    *(b"poll ", b"skip ", b"defaults ", b"user ", b"password ", b"hush0000000f", b"'", b'"', b"\\x41", b"\\", b"#"),
    *(b"port ", b"--5", b"service ", b"plugin 'oauth2-pop3 bridge %h 995'", b"sslproto ''", b"no ssl", b"is ", b"here"),
    *(b"sslcert x ", b"idle ", b"interface ", b"lmtp ", b"smtphost ", b"pass ", b"there ", b"via ", b"%h", b"a b@c"),
)
_MPOP_WORDS = (
    *(b"account ", b"defaults", b"host ", b"user ", b"password ", b"passwordeval ", b"hush0000000f", b"port ", b" : "),
    *(b"tls off", b"auth ", b'"', b"eval ", b"oauth2-pop3 token a@b", b"keep 5d", b"killsize 0x", b"0777"),
)
TARGETS = (
    Target("getmailrc", _of("getmailrc"), [_GETMAILRC, _OTHER_GETMAILRC], words=_GETMAIL_WORDS),
    Target("fetchmailrc", _of("fetchmailrc"), [_FETCHMAILRC], words=_FETCHMAIL_WORDS),
    Target("mpoprc", _of("mpoprc"), [_MPOPRC], words=_MPOP_WORDS),
)
