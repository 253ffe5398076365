"""The grammar of a fetchmailrc, that of fetchmail's rcfile_y.y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from oauth2_pop3.dialects.fetchmailrc.lexer import Word, words
from oauth2_pop3.dialects.fetchmailrc.vocabulary import (
    FLAGS_OF_A_USER,
    GLOBAL_FLAGS,
    GLOBAL_STRINGS,
    NEGATABLE_OF_A_SERVER,
    OPTIONS_OF_A_SERVER,
    OPTIONS_OF_A_USER,
    PASSWORD_WORDS,
    SECRETS,
    TAKES_ONE,
    TAKES_SEVERAL,
)
from oauth2_pop3.dialects.source_text import SourceText, readable, word_shown


@dataclass(eq=False, slots=True)
class FetchmailOption:
    """An option of a server or a user.

    words: all its words.
    values: those of its value.
    negated: whether `no` comes before it.
    """

    name: str
    words: tuple[Word, ...]
    values: tuple[Word, ...] = ()
    negated: bool = False

    @property
    def start(self) -> int:
        """The offset of its first octet."""
        return self.words[0].start

    @property
    def end(self) -> int:
        """The offset behind its last octet."""
        return self.words[-1].end

    @property
    def value(self) -> str:
        """What it is set to: its last word; "yes" or "no" for a flag."""
        return self.values[-1].value if self.values else "no" if self.negated else "yes"


@dataclass(eq=False)
class User:
    """One user of an entry. definition: `user NAME [there]`; None if the entry has a user's options but no user."""

    definition: FetchmailOption | None
    options: list[FetchmailOption] = field(default_factory=list)


@dataclass(eq=False)
class Entry:
    """A `poll`, `skip` or `defaults`. head: the words that begin it."""

    name: str
    head: tuple[Word, ...]
    options: list[FetchmailOption] = field(default_factory=list)
    users: list[User] = field(default_factory=list)

    @property
    def last(self) -> Word:
        """The last word before the users."""
        return self.options[-1].words[-1] if self.options else self.head[-1]


class Parser:
    """Reads a file; each rule of the grammar is a method. words: all words of the file."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.words: list[Word] = list(words(source))
        self._at = 0

    def entries(self) -> list[Entry]:
        """Read the entries. Raises DialectError at what fetchmail would refuse."""
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
            self._take(*GLOBAL_FLAGS, after="set no")
        elif word and word.kind in ("daemon", *GLOBAL_STRINGS):
            self._next()
            self._skip("=")
            self._take("number" if word.kind == "daemon" else "string", after=f"set {word.kind}")
        else:
            self._take(*GLOBAL_FLAGS, after="set")

    def _entry(self, entry: Entry) -> Entry:
        entry.options = self._options(OPTIONS_OF_A_SERVER, NEGATABLE_OF_A_SERVER)
        if options := self._options(OPTIONS_OF_A_USER, FLAGS_OF_A_USER):
            entry.users.append(User(None, options))
        else:
            while (word := self._peek()) and word.kind == "user":
                definition = self._user()
                entry.users.append(User(definition, self._options(OPTIONS_OF_A_USER, FLAGS_OF_A_USER)))
        word = self._peek()
        if word and entry.users and (word.kind in OPTIONS_OF_A_SERVER or word.kind == "no"):
            raise self.source.error(
                word.start,
                f"{self._shown(word)} is an option of the server, and must come before the options of a user",
            )
        return entry

    def _user(self) -> FetchmailOption:
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

    def _options(self, names: frozenset[str], negatable: frozenset[str]) -> list[FetchmailOption]:
        """Read the options that come next, as long as they are among these names.

        negatable: the names that may follow `no`.
        """
        found, words = [], self.words
        while self._at < len(words):
            first, name = self._at, words[self._at].kind
            negated = name == "no"
            if negated:
                name = words[first + 1].kind if first + 1 < len(words) else ""
            if name not in (negatable if negated else names):
                break
            self._at += 1 + negated
            kinds = () if negated else TAKES_ONE.get(name)
            values: tuple[Word, ...] = ()
            if kinds is None:
                values = tuple(self._values(name))
            elif kinds:
                values = (self._take(*kinds, after=name),)
            found.append(FetchmailOption(name, tuple(words[first : self._at]), values, negated))
        return found

    def _values(self, name: str) -> Iterator[Word]:
        """Read the value of an option that takes more than one word."""
        if name == "envelope":
            if (word := self._peek()) and word.kind == "number":
                yield self._next()
            yield self._take("string", after=name)
        elif name in ("to", "is"):
            yield from self._names(name)
        else:
            kind = TAKES_SEVERAL[name]
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
        """Read names, and pairs of names with = between them."""
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

    def _made(self, name: str, first: int, values: tuple[Word, ...]) -> FetchmailOption:
        return FetchmailOption(name, tuple(self.words[first : self._at]), values)

    def _unexpected(self, expected: str) -> Exception:
        word = self._peek()
        if word is None:
            return self.source.error(len(self.source.text), f"{expected} is expected, but the file ends")
        return self.source.error(
            word.start, f"{expected} is expected here, not {self._shown(word)}", directive=word.kind
        )

    def _shown(self, word: Word) -> str:
        """A word for a message, unless it may be the rest of a password that has a space or a quotation mark in it.

        Behind a quotation mark that is missing, what should be within quotation marks is outside of them.
        """
        before = self.words[max(0, self._at - 2) : self._at]
        behind_password = before and (before[0].kind in SECRETS or before[-1].value in PASSWORD_WORDS)
        if behind_password and word.kind in ("string", "number"):
            return "the word after the password"
        if word.kind == "string" and any("\n" in earlier.value for earlier in self.words[: self._at]):
            return "a word; is a quotation mark missing further up?"
        text = self.source.text[word.start : word.end]
        return repr(word_shown(text) if word.kind == "string" else readable(text)[:40])
