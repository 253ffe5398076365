"""The grammar of a fetchmailrc, as fetchmail's rcfile_y.y has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from oauth2_pop3.dialects.fetchmailrc.lexer import Word, words
from oauth2_pop3.dialects.source_text import SourceText, readable

_FLAGS = frozenset(("uidl", "checkalias", "dns", "tracepolls"))
_SERVER_NEGATED = _FLAGS | {"envelope"}
_SERVER_STRING = frozenset(
    ("via", "principal", "esmtpname", "esmtppassword", "qvirtual", "interface", "monitor", "plugin", "plugout")
)
_SERVER_NUMBER = frozenset(("port", "interval", "timeout"))
_SERVER = frozenset(
    {"aka", "localdomains", "protocol", "service", "authenticate", "envelope", "bad-header"}
    | _FLAGS | _SERVER_STRING | _SERVER_NUMBER
)  # fmt: skip
_USER_FLAGS = frozenset(
    ("keep", "flush", "limitflush", "fetchall", "rewrite", "forcecr", "stripcr", "pass8bits", "dropstatus",
     "dropdelivered", "mimedecode", "idle", "ssl", "sslcertck")
)  # fmt: skip
_USER_STRING = frozenset(
    ("password", "smtpaddress", "smtpname", "mda", "bsmtp", "preconnect", "postconnect", "sslkey", "sslcert",
     "sslproto", "sslcertfile", "sslcertpath", "sslcommonname", "sslfingerprint", "properties")
)  # fmt: skip
_USER_STRINGS = frozenset(("folder", "smtphost", "fetchdomains"))
_USER_NUMBER = frozenset(
    ("limit", "warnings", "fetchlimit", "fetchsizelimit", "fastuidl", "batchlimit", "expunge")
)  # fmt: skip
_USER = frozenset(
    {"to", "is", "antispam", "lmtp"} | _USER_FLAGS | _USER_STRING | _USER_STRINGS | _USER_NUMBER
)  # fmt: skip
_TAKES_ONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*_FLAGS, *_USER_FLAGS, "lmtp"), ()),
    **dict.fromkeys((*_SERVER_STRING, *_USER_STRING), ("string",)),
    **dict.fromkeys((*_SERVER_NUMBER, *_USER_NUMBER), ("number",)),
    "service": ("string", "number"),
    "protocol": ("protocol-name", "sdps", "kpop"),
    "authenticate": ("auth-type",),
    "bad-header": ("accept", "reject"),
}
"""What kind of word an option takes; () for none."""
_TAKES_SEVERAL = {**dict.fromkeys(("aka", "localdomains", *_USER_STRINGS), "string"), "antispam": "number"}
_SECRET = frozenset(("password", "esmtppassword"))


@dataclass(eq=False, slots=True)
class Option:
    """An option: name; whether `no` stands before it; its value's words; all its words."""

    name: str
    words: tuple[Word, ...]
    values: tuple[Word, ...] = ()
    negated: bool = False

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.words[0].start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.words[-1].end

    @property
    def value(self) -> str:
        """What it is set to: its last word; "yes" or "no" for a flag."""
        return self.values[-1].value if self.values else "no" if self.negated else "yes"


@dataclass(eq=False)
class User:
    """What belongs to one user of an entry. definition: `user NAME [there]`; none where only options stand."""

    definition: Option | None
    options: list[Option] = field(default_factory=list)


@dataclass(eq=False)
class Entry:
    """A `poll`, `skip` or `defaults`. head: the words that open it."""

    name: str
    head: tuple[Word, ...]
    options: list[Option] = field(default_factory=list)
    users: list[User] = field(default_factory=list)

    @property
    def last(self) -> Word:
        """The last word before the users."""
        return self.options[-1].words[-1] if self.options else self.head[-1]


class Parser:
    """Reads a file; every rule of the grammar is a method. words: all its words."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.words: list[Word] = list(words(source))
        self._at = 0

    def entries(self) -> list[Entry]:
        """The entries of the file. Raises DialectError where fetchmail would refuse it."""
        found = []
        while (word := self._peek()) is not None:
            if word.kind == "set":
                self._set()
            elif word.kind in ("poll", "skip"):
                self._next()
                name = self._take("string", after=word.kind)
                found.append(self._entry(Entry(name.value, (word, name))))
            elif word.kind == "defaults":
                found.append(self._entry(Entry("defaults", (self._next(),))))
            else:
                raise self._unexpected("poll, skip, defaults or set")
        return found

    def _set(self) -> None:
        self._next()
        word = self._peek()
        if self._skip("no"):
            self._take("bouncemail", "spambounce", "softbounce", "syslog", "invisible", "showdots", after="set no")
        elif word and word.kind in ("logfile", "idfile", "pidfile", "postmaster", "properties", "daemon"):
            self._next()
            self._skip("=")
            self._take("number" if word.kind == "daemon" else "string", after=f"set {word.kind}")
        else:
            self._take("bouncemail", "spambounce", "softbounce", "syslog", "invisible", "showdots", after="set")

    def _entry(self, entry: Entry) -> Entry:
        entry.options = self._options(_SERVER, _SERVER_NEGATED)
        if options := self._options(_USER, _USER_FLAGS):
            entry.users.append(User(None, options))
        else:
            while (word := self._peek()) and word.kind == "user":
                definition = self._user()
                entry.users.append(User(definition, self._options(_USER, _USER_FLAGS)))
        word = self._peek()
        if word and entry.users and (word.kind in _SERVER or word.kind == "no"):
            raise self.source.error(
                word.start, f"{self._shown(word)} is an option of the server, and stands after options of a user"
            )
        return entry

    def _user(self) -> Option:
        first = self._at
        self._next()
        name = self._take("string", after="user")
        if self._skip("there"):
            return self._made("user", first, (name,))
        following = self._peek()
        if following is None or following.kind not in ("string", "=", "here"):
            return self._made("user", first, (name,))
        self._at -= 1
        self._mappings()
        self._take("here", after="the local names")
        return self._made("local", first, ())

    def _options(self, names: frozenset[str], flags: frozenset[str]) -> list[Option]:
        """The options of these that come next. flags: those that `no` may stand before."""
        found, words = [], self.words
        while self._at < len(words):
            first, name = self._at, words[self._at].kind
            negated = name == "no"
            if negated:
                name = words[first + 1].kind if first + 1 < len(words) else ""
            if name not in (flags if negated else names):
                break
            self._at += 1 + negated
            kinds = () if negated else _TAKES_ONE.get(name)
            values: tuple[Word, ...] = ()
            if kinds is None:
                values = tuple(self._values(name))
            elif kinds:
                values = (self._take(*kinds, after=name),)
            found.append(Option(name, tuple(words[first : self._at]), values, negated))
        return found

    def _values(self, name: str) -> Iterator[Word]:
        """The words of an option that takes more than one."""
        if name == "envelope":
            if (word := self._peek()) and word.kind == "number":
                yield self._next()
            yield self._take("string", after=name)
        elif name in ("to", "is"):
            yield from self._names(name)
        else:
            kind = _TAKES_SEVERAL[name]
            yield self._take(kind, after=name)
            while (word := self._peek()) and word.kind == kind:
                yield self._next()

    def _names(self, name: str) -> Iterator[Word]:
        word = self._take("string", after=name)
        if name == "is" and self._skip("there"):
            yield word
            return
        self._at -= 1
        self._mappings()
        self._skip("here")

    def _mappings(self) -> None:
        """Names, and pairs of names with = between them."""
        self._take("string", after="is")
        while (word := self._peek()) and word.kind in ("string", "="):
            self._next()
            if word.kind == "=":
                self._take("string", after="=")
                if (again := self._peek()) and again.kind == "=":
                    raise self._unexpected("another name")

    # -- words

    def _peek(self) -> Word | None:
        return self.words[self._at] if self._at < len(self.words) else None

    def _next(self) -> Word:
        self._at += 1
        return self.words[self._at - 1]

    def _skip(self, kind: str) -> bool:
        if (word := self._peek()) and word.kind == kind:
            self._at += 1
            return True
        return False

    def _take(self, *kinds: str, after: str) -> Word:
        if self._at == len(self.words) or self.words[self._at].kind not in kinds:
            raise self._unexpected(f"{' or '.join(kinds)} after {after}")
        return self._next()

    def _made(self, name: str, first: int, values: tuple[Word, ...]) -> Option:
        return Option(name, tuple(self.words[first : self._at]), values)

    def _unexpected(self, expected: str) -> Exception:
        word = self._peek()
        if word is None:
            return self.source.error(len(self.source.text), f"the file ends where {expected} is expected")
        return self.source.error(
            word.start, f"{self._shown(word)} stands where {expected} is expected", directive=word.kind
        )

    def _shown(self, word: Word) -> str:
        """A word, unless it may be a part of a password: one that was not quoted, with a space or a quote in it."""
        before = [earlier.kind for earlier in self.words[max(0, self._at - 2) : self._at]]
        if word.kind in ("string", "number") and before[:1] and before[0] in _SECRET:
            return "the word after the password"
        return repr(readable(self.source.text[word.start : word.end])[:40])
