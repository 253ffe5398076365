"""What every Dialect must do, as tests that any project can run on its own dialect with pytest.

::

    from oauth2_pop3.dialects.contract import DialectContract

    class TestFetchRc(DialectContract):
        def make(self) -> Dialect:
            return FetchRc()

        examples = [b"server pop.gmail.com user ann@gmail.com password secret"]    # each has an account to translate
        refused = [b"sevrer"]                                                      # what the host does not accept
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn
from oauth2_pop3.errors import DialectError


class DialectContract:
    """Derive a class from it, and define make(), examples and refused."""

    examples: ClassVar[Sequence[bytes]] = ()
    refused: ClassVar[Sequence[bytes]] = ()

    def make(self) -> Dialect:
        """Make the dialect under test."""
        raise NotImplementedError

    def test_it_has_a_name_and_examples(self) -> None:
        assert self.make().name
        assert self.examples
        assert self.refused

    def test_its_examples_are_recognised(self) -> None:
        assert all(self.make().recognises("a-file", example) for example in self.examples)

    def test_it_recognises_nothing_else(self) -> None:
        for content in (b"", b"\xff\xfe\0", b"The quick brown fox\n"):
            assert not self.make().recognises("a-file", content)

    def test_an_account_is_found(self) -> None:
        for file in self._files():
            account = self._first(file)
            assert account.protocol == "pop3"
            assert account.server
            assert account.username
            assert account.line > 0

    def test_nothing_is_edited_unasked(self) -> None:
        for example, file in zip(self.examples, self._files(), strict=True):
            assert not file.translate({}).edits
            assert file.source.edited([]) == example

    def test_a_translation_uses_our_helper_and_the_account_stays_who_it_is(self) -> None:
        for file in self._files():
            old, new = self._first(file), self._first(self._translated(file))
            assert new.uses_oauth2_pop3
            assert (new.server, new.username, new.port) == (old.server, old.username, old.port)

    def test_what_has_been_translated_stays(self) -> None:
        for file in self._files():
            translated = self._translated(file)
            again = translated.source.edited(translated.translate({}).edits)
            assert again == translated.source.edited([])

    def test_keep_type_matters_only_to_a_dialect_that_can_keep_it(self) -> None:
        for file in self._files():
            sign_ins = {0: SignIn(address=self._first(file).username)}
            usual, kept = (file.source.edited(file.translate(sign_ins, keep_type=keep).edits) for keep in (False, True))
            assert (kept != usual) == self.make().can_keep_type
            assert self._first(self.make().read("a-file", kept)).uses_oauth2_pop3

    def test_the_old_password_is_gone(self) -> None:
        for file in self._files():
            old = {file.source.text[start:end] for start, end in file.secrets}
            assert not [secret for secret in old if secret in self._translated(file).source.text]

    def test_what_the_host_does_not_accept_is_refused_with_its_place(self) -> None:
        for content in self.refused:
            try:
                self.make().read("a-file", content)
            except DialectError as error:
                assert error.file == "a-file"
                assert error.line > 0
                assert error.column > 0
            else:
                raise AssertionError(f"{content!r} was accepted")

    def _files(self) -> list[DialectFile]:
        return [self.make().read("a-file", example) for example in self.examples]

    def _first(self, file: DialectFile) -> DialectAccount:
        return file.accounts[0]

    def _translated(self, file: DialectFile) -> DialectFile:
        sign_in = SignIn(address=file.accounts[0].username)
        return self.make().read("a-file", file.source.edited(file.translate({0: sign_in}).edits))
