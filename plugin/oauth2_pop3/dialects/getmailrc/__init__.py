"""getmailrc: the configuration of getmail, one account in each file; its retriever's type becomes `oauth2-pop3`.

`server`, `port` and `username` stay as they are: getmail names the file in which it remembers messages after them.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection, Mapping
from pathlib import Path

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation, is_our_command
from oauth2_pop3.dialects.getmailrc.syntax import TRUE, GetmailOption, check, parse
from oauth2_pop3.dialects.getmailrc.values import is_strings, literal, passwords_within
from oauth2_pop3.dialects.source_text import Edit, SourceText, as_source, port_number, readable, without_password

_OUR_TYPE = "oauth2-pop3"
_POP3 = re.compile(r"(Simple|BrokenUIDL|Multidrop)POP3(SSL)?Retriever")
_REMOVED = ("password", "password_command", "use_xoauth2", "use_apop", "ssl_version")
_NUMBERS = ("port", "timeout")
_FILES = ("ca_certs", "certfile", "keyfile")
_ONLY_OURS = ("account", "mechanism", "starttls", "unique_ids", "allow_insecure_loopback")
"""Options that only our type has: getmail's own types ignore them, with a warning."""
_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


class GetmailRc(Dialect):
    """Reads getmail's configuration."""

    name = "getmailrc"
    locations = ("~/.getmail", "~/.config/getmail")
    can_keep_type = True

    def recognises(self, file_name: str, content: bytes) -> bool:
        """Recognise it by the section that getmail cannot do without."""
        return re.search(rb"(?m)^[ \t]*\[retriever\]", content) is not None

    def read(self, file_name: str, content: bytes) -> GetmailFile:
        """See Dialect."""
        return GetmailFile(SourceText(file_name, content))


class GetmailFile(DialectFile):
    """A file with its one account."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        sections = parse(source)
        check(source, sections)
        self._options = sections["retriever"]
        self._uses_netrc = self._text_of(sections.get("options", {}), "use_netrc").lower() in TRUE
        self.accounts = [self._account()]
        self.secrets = [
            span
            for options in sections.values()
            for name, option in options.items()
            if "pass" in name and not self._is_our_command(option)
            for span in option.values
            if span[0] < span[1]
        ]
        self.secrets += passwords_within(source, sections)

    @staticmethod
    def _text_of(options: Mapping[str, GetmailOption], name: str) -> str:
        return options[name].value if name in options else ""

    def _get(self, name: str) -> str:
        return readable(self._text_of(self._options, name))

    def _is_on(self, name: str) -> bool:
        return self._get(name).lower() in TRUE

    def _account(self) -> DialectAccount:
        kind = self._get("type")
        ours = kind == _OUR_TYPE
        by_helper = self._is_on("use_xoauth2") and self._is_our_command(self._options.get("password_command"))
        return DialectAccount(
            line=self.source.line(self._options["type"].lines[0][0]),
            name="retriever",
            protocol=_protocol(kind),
            server=without_password(self._text_of(self._options, "server")),
            port=self._port(tls_at_once="SSL" in kind or (ours and not self._is_on("starttls"))),
            username=without_password(self._text_of(self._options, "username")),
            uses_oauth2_pop3=ours or by_helper,
            obstacle="" if ours else self._obstacle(kind),
        )

    def _port(self, *, tls_at_once: bool) -> int:
        port = self._get("port")
        if port:
            return port_number(port)
        return 995 if tls_at_once else 110

    @staticmethod
    def _is_our_command(option: GetmailOption | None) -> bool:
        command = literal(option.value) if option else None
        return isinstance(command, tuple) and is_our_command([w for w in command if isinstance(w, str)], "token")

    def _obstacle(self, kind: str) -> str:
        if not _POP3.fullmatch(kind):
            return f"Its type is {kind}, which oauth2-pop3 cannot replace."
        if self._uses_netrc:
            return "It takes its user from .netrc (use_netrc): write username into the file, and translate again."
        for name in ("server", "username"):
            if not self._get(name):
                return f"It has no {name}."
        for name in ("type", "server", "username"):
            if len(self._options[name].values) > 1:
                return f"Its {name} goes over several lines: write it on one, and translate again."
        for name in (*_ONLY_OURS, *(() if "Multidrop" in kind else ("envelope_recipient",))):
            if name in self._options:
                return f"It has {name}, which {kind} ignores and oauth2-pop3 obeys: remove it, and translate again."
        return self._obstacle_in_values()

    def _obstacle_in_values(self) -> str:
        """Why our type could not read an option, or would read it in another way; "" if it can."""
        for name in _NUMBERS:
            if (value := self._get(name)) and not port_number(value):
                return f"{name} = {value}: write it as a number, and translate again."
        if (value := self._get("ssl_fingerprints")) and not is_strings(value):
            return f"ssl_fingerprints = {value}: write it as ('...', '...'), and translate again."
        for name in _FILES:
            if "$" in self._get(name):
                return f"{name} = {self._get(name)}: write it without a variable, and translate again."
        return ""

    # -- the translation

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """See DialectFile."""
        if 0 not in sign_ins:
            return Translation([])
        if keep_type:
            return self._with_its_type(sign_ins[0])
        edits = [Edit(*self._options["type"].values[0], _OUR_TYPE), *self._removed(_REMOVED)]
        return Translation(
            [*edits, *self._inserted(self._new_options(sign_ins[0]))],
            {0: self._remarks()},
        )

    def _new_options(self, sign_in: SignIn) -> dict[str, str]:
        """What our type has to be told so that it fetches the same mail in the same way."""
        kind = self._get("type")
        new: dict[str, str] = {}
        if "BrokenUIDL" in kind:
            new["unique_ids"] = "false"
        if "SSL" not in kind:
            new["starttls"] = "true"
        elif sign_in.starttls:
            new["starttls"] = "false"
        if "SSL" in kind and not self._get("port") and sign_in.port != 995:
            new["port"] = "995"
        if sign_in.address.lower() != self._get("username").lower():
            new["account"] = sign_in.address
        return new

    def _remarks(self) -> list[str]:
        remarks = []
        if "SSL" not in self._get("type"):
            remarks.append("It did not use TLS. From now on it does, by STLS, and sends nothing without it.")
        elif not self._get("ca_certs"):
            remarks.append("From now on the server's certificate is always verified.")
        if "ssl_version" in self._options:
            remarks.append("ssl_version was removed: TLS 1.2 or later is used.")
        return remarks

    def _with_its_type(self, sign_in: SignIn) -> Translation:
        """Keep getmail's own type, with XOAUTH2 and `oauth2-pop3 token` as its password_command."""
        if "SSL" not in self._get("type"):
            why = "Its type does not use TLS, and a token is never sent without TLS: translate without --keep-type."
            return Translation([], {0: [why]})
        wanted = {
            "use_xoauth2": "true",
            "password_command": repr((sign_in.command, "token", sign_in.address)),
        }
        version = (
            "getmail6 6.19.11 or later is needed: 6.18 sends the token as a password, and Microsoft refuses what "
            "6.19.04 to 6.19.10 send."
        )
        remarks = [version]
        if not self._get("ca_certs"):
            if bundle := _system_ca():
                wanted["ca_certs"] = bundle
                remarks.append(f"getmail's own type verifies TLS only with ca_certs: {bundle} was added.")
            else:
                remarks.append(
                    "getmail's own type does not verify TLS without ca_certs: set it to the system's certificate "
                    "authorities."
                )
        edits, new = self._removed(("password", "use_apop")), {}
        for name, value in wanted.items():
            if name not in self._options:
                new[name] = value
                continue
            option = self._options[name]
            edits.append(Edit(*option.values[0], as_source(value)))
            edits += [Edit(start, end) for start, end in option.lines[1:]]
        return Translation([*edits, *self._inserted(new)], {0: remarks})

    def _removed(self, names: Collection[str]) -> list[Edit]:
        """Remove options, with their lines."""
        options = [self._options[name] for name in names if name in self._options]
        return [Edit(start, end) for option in options for start, end in option.lines]

    def _inserted(self, options: Mapping[str, str]) -> list[Edit]:
        """New options behind the type, with its indentation and its way to write `=`."""
        if not options:
            return []
        kind, text = self._options["type"], self.source.text
        (start, end), (after_name, value) = kind.lines[0], kind.delimiter
        indent = text[start:after_name][: -len("type")]
        line_end = self.source.line_end
        lines = "".join(
            f"{indent}{name}{text[after_name:value]}{as_source(content)}{line_end}" for name, content in options.items()
        )
        if not text[:end].endswith(("\n", "\r")):
            lines = line_end + lines.removesuffix(line_end)
        return [Edit(end, end, lines)]


def _protocol(kind: str) -> str:
    if "IMAP" in kind:
        return "imap"
    return "pop3" if kind == _OUR_TYPE or _POP3.fullmatch(kind) or "SDPS" in kind else kind


def _system_ca() -> str:
    """The file of the system's certificate authorities; "" if there is none."""
    candidates = (_SYSTEM_CA, ssl.get_default_verify_paths().openssl_cafile)
    return next((name for name in candidates if name and Path(name).is_file()), "")
