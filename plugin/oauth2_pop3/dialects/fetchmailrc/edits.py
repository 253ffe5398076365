"""The edits that let an entry of a fetchmailrc use the bridge: its plugin, no TLS of fetchmail's own, no password."""

from __future__ import annotations

import re
from collections.abc import Collection

from oauth2_pop3.dialects.fetchmailrc.bridge_command import BRIDGE_OPTIONS
from oauth2_pop3.dialects.fetchmailrc.lexer import Word, quoted
from oauth2_pop3.dialects.fetchmailrc.records import Record
from oauth2_pop3.dialects.fetchmailrc.syntax import Entry, FetchmailOption
from oauth2_pop3.dialects.source_text import Edit, SourceText

PASSWORD = "oauth2-pop3"
"""What replaces the password: the bridge accepts any password, and without one fetchmail would ask for it."""

_TLS = frozenset((*BRIDGE_OPTIONS, "ssl", "sslproto", "sslcertck"))
_NOTHING = re.compile(r"[ \t\r\n;:,]*(?:(?:with|and|has|wants|options)[ \t\r\n;:,]+)*")
"""What may be between two options and means nothing."""


class Editor:
    """Makes the edits of one file. ssl_by_default: `defaults` turns `ssl` on for every user."""

    def __init__(self, source: SourceText, *, ssl_by_default: bool) -> None:
        self._source = source
        self._ssl_by_default = ssl_by_default

    def of_server(self, record: Record, plugin: str) -> list[Edit]:
        """Let an entry use a plugin, and sign in to it with USER and PASS."""
        edits, missing = [], [f"plugin {quoted(plugin)}"]
        own = [option for option in record.entry.options if option.name == "authenticate"]
        edits += [self._replaced(option.values[0], "password") for option in own if option.value != "password"]
        if not own:
            missing.append("auth password")
        return [*edits, self._behind_the_server(record.entry, missing)]

    def of_user(self, record: Record, leaving: Collection[FetchmailOption]) -> list[Edit]:
        """Take TLS away from fetchmail, and the user's password out of the file.

        leaving: the passwords of `defaults` that are replaced as well.
        """
        options = record.user.options if record.user else []
        last = {option.name: option for option in options}
        edits = [self.without_password(option) for option in options if option.name == "password"]
        out: list[FetchmailOption] = []
        for option in options:
            if option.name in _TLS:
                changed = self._turned_off(option) if option is last[option.name] else None
                if changed is None:
                    out.append(option)
                else:
                    edits += changed
        edits += [self._removal(start, end) for start, end in self._stretches(out)]
        if missing := self._missing(record, last, leaving):
            # Behind `user NAME there`. Without it, the user's options begin behind those of the server.
            definition = record.user.definition if record.user else None
            at = definition.end if definition else record.entry.last.end
            edits.append(Edit(at, at, "".join(f" {text}" for text in missing) + self._space(at)))
        return edits

    def _turned_off(self, option: FetchmailOption) -> list[Edit] | None:
        """The edits that make a TLS setting say that there is no TLS; None if it is to be removed."""
        if option.name == "sslproto":
            return [self._replaced(option.values[0], "''")]
        if option.name == "ssl" and option.negated:
            return []
        if option.name == "ssl" and self._ssl_by_default:
            return [Edit(option.start, option.end, "no ssl")]
        return None

    def without_password(self, option: FetchmailOption) -> Edit:
        """Replace the password of an option."""
        return self._replaced(option.values[-1], f"'{PASSWORD}'")

    def _missing(self, record: Record, own: Collection[str], leaving: Collection[FetchmailOption]) -> list[str]:
        """The options that the user needs and does not have. own: the names of those that it has."""
        missing = [] if "sslproto" in own else ["sslproto ''"]
        if "ssl" not in own and self._ssl_by_default:
            missing.append("no ssl")
        inherited = record.settings.get("password")
        if "password" not in own and (inherited is None or inherited not in leaving):
            missing.append(f"password '{PASSWORD}'")
        return missing

    def _replaced(self, word: Word, by: str) -> Edit:
        """Another word in the place of one."""
        return Edit(word.start, word.end, by + self._space(word.end))

    def _space(self, at: int) -> str:
        """A space, if a word begins at this offset: behind a quoted word, the next may follow directly."""
        return "" if self._source.text[at : at + 1] in " \t\r\n;:,=" else " "

    def _behind_the_server(self, entry: Entry, texts: list[str]) -> Edit:
        """Put options behind the server's last one: on its line, or on lines of their own if it has its own."""
        last = entry.last
        start = entry.options[-1].start if entry.options else last.start
        line, indent = self._source.line_span(start)[0], start
        while indent > line and self._source.text[indent - 1] in " \t":
            indent -= 1
        own_line = bool(entry.options) and indent == line > entry.head[0].start
        separator = f"{self._source.line_end}{self._source.text[indent:start]}" if own_line else " "
        return Edit(last.end, last.end, "".join(separator + text for text in texts) + self._space(last.end))

    def _stretches(self, options: list[FetchmailOption]) -> list[tuple[int, int]]:
        """The places of options; those that follow each other directly are one stretch."""
        found: list[tuple[int, int]] = []
        for option in options:
            if found and _NOTHING.fullmatch(self._source.text, found[-1][1], option.start):
                found[-1] = (found[-1][0], option.end)
            else:
                found.append((option.start, option.end))
        return found

    def _removal(self, start: int, end: int) -> Edit:
        """Remove a stretch, with the blanks before it; with its lines, if nothing else is on them."""
        text, first = self._source.text, start
        line, _ = self._source.line_span(start)
        _, last_line_end = self._source.line_span(end - 1)
        while start > line and text[start - 1] in " \t":
            start -= 1
        if start == line:
            while end < last_line_end and text[end] in " \t":
                end += 1
            if not text[end:last_line_end].strip("\r\n") and end < len(text):
                return Edit(line, last_line_end)
            return Edit(first, end)
        if text[start - 1] == text[end : end + 1] == ",":
            start -= 1
        return Edit(start, end, self._space(end))
