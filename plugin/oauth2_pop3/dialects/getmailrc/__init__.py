"""getmailrc: the configuration of getmail, one account a file; its retriever's type becomes `oauth2-pop3`.

`server`, `port` and `username` stay as they are: getmail's memory of what it has seen is a file named after them.
"""

from __future__ import annotations

import ast
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation, is_our_command
from oauth2_pop3.dialects.getmailrc.syntax import Option, check, parse
from oauth2_pop3.dialects.source_text import Edit, SourceText, as_source, readable

_OUR_TYPE = "oauth2-pop3"
_POP3 = re.compile(r"(Simple|BrokenUIDL|Multidrop)POP3(SSL)?Retriever")
_GONE = ("password", "password_command", "use_xoauth2", "use_apop", "ssl_version")
_NUMBERS = ("port", "timeout")
_FILES = ("ca_certs", "certfile", "keyfile")
_OURS_ALONE = ("account", "mechanism", "starttls", "unique_ids", "allow_insecure_loopback")
"""Options that only our type has: getmail warns of them and goes on."""
_TRUE = ("true", "yes", "on", "1")
_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


class GetmailRc(Dialect):
    """Reads getmail's configuration."""

    name = "getmailrc"
    locations = ("~/.getmail", "~/.config/getmail")

    def recognises(self, file_name: str, content: bytes) -> bool:
        """By the section that getmail cannot do without."""
        return re.search(rb"(?m)^[ \t]*\[retriever\]", content) is not None

    def read(self, file_name: str, content: bytes) -> GetmailFile:
        """See Dialect."""
        return GetmailFile(SourceText(file_name, content))


class GetmailFile(DialectFile):
    """A file, and the one account in it."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        sections = parse(source)
        check(source, sections)
        self._options = sections["retriever"]
        self._uses_netrc = self._text_of(sections.get("options", {}), "use_netrc").lower() in _TRUE
        self.accounts = [self._account()]
        self.secrets = [
            span
            for options in sections.values()
            for name, option in options.items()
            if "password" in name and not self._is_our_command(option)
            for span in option.values
            if span[0] < span[1]
        ]

    @staticmethod
    def _text_of(options: Mapping[str, Option], name: str) -> str:
        return options[name].value if name in options else ""

    def _get(self, name: str) -> str:
        return readable(self._text_of(self._options, name))

    def _account(self) -> DialectAccount:
        kind = self._get("type")
        own = kind == _OUR_TYPE
        known = _POP3.fullmatch(kind)
        protocol = "imap" if "IMAP" in kind else "pop3" if known or own or "SDPS" in kind else kind
        port = self._get("port")
        at_once = "SSL" in kind or (own and self._get("starttls").lower() not in _TRUE)
        by_helper = self._get("use_xoauth2").lower() in _TRUE and self._is_our_command(
            self._options.get("password_command")
        )
        return DialectAccount(
            line=self.source.line(self._options["type"].lines[0][0]),
            name="retriever",
            protocol=protocol,
            server=self._get("server"),
            port=int(port) if port.isascii() and port.isdecimal() else 995 if not port and at_once else 110,
            username=self._get("username"),
            uses_oauth2_pop3=own or by_helper,
            obstacle="" if own else self._obstacle(kind),
        )

    @staticmethod
    def _is_our_command(option: Option | None) -> bool:
        try:
            command = ast.literal_eval(option.value) if option else ()
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return False
        return isinstance(command, tuple) and is_our_command([str(word) for word in command], "token")

    def _obstacle(self, kind: str) -> str:
        if not _POP3.fullmatch(kind):
            return f"Its type {kind} is none of those that oauth2-pop3 can take the place of."
        if self._uses_netrc:
            return "It takes its user from .netrc (use_netrc): write username into the file, and translate again."
        for name in ("server", "username"):
            if not self._get(name):
                return f"It has no {name}."
        for name in ("type", "server", "username"):
            if len(self._options[name].values) > 1:
                return f"Its {name} goes over several lines: write it on one, and translate again."
        for name in (*_OURS_ALONE, *(() if "Multidrop" in kind else ("envelope_recipient",))):
            if name in self._options:
                return f"It has {name}, which means nothing to {kind} and much to oauth2-pop3: take it out first."
        for name in _NUMBERS:
            if (value := self._get(name)) and not (value.isascii() and value.isdecimal() and 0 < int(value) < 65536):
                return f"{name} = {value}: write it as a number, and translate again."
        if (value := self._get("ssl_fingerprints")) and not _is_strings(value):
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
        sign_in, kind = sign_ins[0], self._get("type")
        remarks = []
        edits = [Edit(*self._options["type"].values[0], _OUR_TYPE)]
        new: dict[str, str] = {}
        if "BrokenUIDL" in kind:
            new["unique_ids"] = "false"
        if "SSL" not in kind:
            new["starttls"] = "true"
            remarks.append("It had no TLS; from now on it has, by STLS, or nothing is sent.")
        elif sign_in.starttls:
            new["starttls"] = "false"
        if "SSL" in kind and not self._get("port") and sign_in.port != 995:
            new["port"] = "995"
        if sign_in.address.lower() != self._get("username").lower():
            new["account"] = sign_in.address
        if "SSL" in kind and not self._get("ca_certs"):
            remarks.append("The server's certificate is verified from now on, always.")
        if "ssl_version" in self._options:
            remarks.append("ssl_version is gone: it is TLS 1.2 or later.")
        for name in _GONE:
            if name in self._options:
                edits += [Edit(start, end) for start, end in self._options[name].lines]
        return Translation([*edits, *self._inserted(new)], {0: remarks})

    def _with_its_type(self, sign_in: SignIn) -> Translation:
        """getmail's own class, with XOAUTH2 and the helper."""
        if "SSL" not in self._get("type"):
            return Translation(
                [], {0: ["Its type has no TLS, and a token is never sent without: leave --keep-type out."]}
            )
        command = repr((sign_in.command, "token", sign_in.address))
        wanted = {"use_xoauth2": "true", "password_command": command}
        version = (
            "getmail6 6.19.11 or later is needed: 6.18 sends the token as a password, and Microsoft refuses what "
            "6.19.04 to 6.19.10 send."
        )
        remarks = [version]
        if not self._get("ca_certs"):
            bundle = _system_ca()
            if bundle:
                wanted["ca_certs"] = bundle
            remarks.append(
                f"getmail's own type verifies TLS only with ca_certs: {bundle} was put in."
                if bundle
                else "getmail's own type does not verify TLS without ca_certs: name the system's authorities there."
            )
        edits, new = [], {}
        for name, value in wanted.items():
            if name not in self._options:
                new[name] = value
                continue
            option = self._options[name]
            edits.append(Edit(*option.values[0], as_source(value)))
            edits += [Edit(start, end) for start, end in option.lines[1:]]
        for name in ("password", "use_apop"):
            if name in self._options:
                edits += [Edit(start, end) for start, end in self._options[name].lines]
        return Translation([*edits, *self._inserted(new)], {0: remarks})

    def _inserted(self, options: Mapping[str, str]) -> list[Edit]:
        """New options behind the type, written as that is."""
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


def _is_strings(text: str) -> bool:
    """Whether our type reads it, which evaluates nothing."""
    try:
        strings = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return isinstance(strings, tuple | list) and all(isinstance(item, str) for item in strings)


def _system_ca() -> str:
    """The file of the system's certificate authorities, "" if there is none."""
    candidates = (_SYSTEM_CA, ssl.get_default_verify_paths().openssl_cafile)
    return next((name for name in candidates if name and Path(name).is_file()), "")
