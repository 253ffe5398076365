"""Moving a host's configuration file to OAuth 2.0, in memory.

The dialects know their files and no providers; decisions.py knows the providers and no files. Here they meet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from oauth2_pop3.accounts.config import Config
from oauth2_pop3.dialects import Dialect, DialectFile
from oauth2_pop3.dialects.source_text import SourceText, commented_passwords
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, UsageError
from oauth2_pop3.translation.decisions import Decider, Decision
from oauth2_pop3.translation.unified_diff import unified_diff
from oauth2_pop3_hooks import manager

_SHOWN = 5
"""How many line numbers one remark lists at most."""


@dataclass(frozen=True, kw_only=True)
class TranslatedFile:
    """A file, translated in memory.

    diff: unified, with passwords masked; "" if nothing changes.
    remarks: about the whole file.
    """

    dialect: str
    content: bytes
    diff: str
    decisions: tuple[Decision, ...]
    holds_passwords: bool = False
    remarks: tuple[str, ...] = ()


def chosen_dialects(name: str = "") -> dict[str, Dialect]:
    """The dialect of this name, or every dialect, built-in or from a plugin. Raises UsageError if there is none."""
    known = manager.dialects()
    if name and name not in known:
        raise UsageError(
            f"there is no dialect {name} (known: {', '.join(sorted(known))})", hint="Is its plugin installed?"
        )
    return {key: kind() for key, kind in known.items() if name in ("", key)}


class Translator:
    """Translates the files of one run; what it has loaded of providers and accounts serves all of them.

    dialect: the kind of the files, "" to recognise it.
    only: the addresses to translate; all, if there are none.
    keep_type: see DialectFile.translate.
    """

    def __init__(
        self, *, dialect: str = "", only: Collection[str] = (), keep_type: bool = False, config: Config | None = None
    ) -> None:
        self.dialects = chosen_dialects(dialect)
        self._recognise = not dialect
        self._only = only
        self._keep_type = keep_type
        self._decider = Decider(config or Config.load(), only)
        self._met: set[str] = set()

    def translate(self, name: str, content: bytes) -> TranslatedFile:
        """Translate the content of a file. name: for messages, and to recognise it.

        Raises UsageError and ConfigError (DialectError if the host could not read it either).
        """
        dialect = self._dialect(name, content)
        file = dialect.read(name, content)
        decisions = [self._decider.decide(account) for account in file.accounts]
        self._met.update(decision.address.lower() for decision in decisions)
        sign_ins = {number: decision.sign_in for number, decision in enumerate(decisions) if decision.sign_in}
        translation = file.translate(sign_ins, keep_type=self._keep_type)
        after = file.source.edited(translation.edits)
        again = dialect.read(name, after)
        _require_same_accounts(name, file, again)
        decisions = [
            _after_translation(decision, tuple(translation.remarks.get(number, ())), new.uses_oauth2_pop3)
            for number, (decision, new) in enumerate(zip(decisions, again.accounts, strict=True))
        ]
        known = {file.source.text[start:end].strip("\"'") for start, end in file.secrets} - {""}
        commented = list(commented_passwords(file.source.text, known))
        return TranslatedFile(
            dialect=dialect.name,
            content=after,
            diff=unified_diff(file.source, translation.edits, [*file.secrets, *commented]),
            decisions=tuple(decisions),
            holds_passwords=bool(file.secrets),
            remarks=_remark_on_comments(file.source, commented) if translation.edits else (),
        )

    def require_all_met(self) -> None:
        """Raise UsageError if no file had one of the addresses that were to be translated."""
        for address in self._only:
            if address.lower() not in self._met:
                raise UsageError(f"no account in the file is {address}", hint="--only takes the address of an account.")

    def _dialect(self, name: str, content: bytes) -> Dialect:
        candidates = self.dialects.values()
        dialect = next((one for one in candidates if not self._recognise or one.recognises(name, content)), None)
        if dialect is None:
            raise ConfigError(
                f"{name} does not look like a file of {', '.join(sorted(self.dialects))}",
                hint="Name its kind with --dialect.",
            )
        if self._keep_type and not dialect.can_keep_type:
            raise UsageError(
                f"--keep-type is not for {name}, which is a {dialect.name}", hint="Leave the option out for this file."
            )
        return dialect


def _after_translation(decision: Decision, remarks: tuple[str, ...], uses_oauth2_pop3: bool) -> Decision:
    """A decision with the dialect's remarks. They say why, if the dialect could not translate the account after all."""
    if decision.outcome == "translated" and not uses_oauth2_pop3:
        why = " ".join(remarks) or "It cannot be translated."
        return replace(decision, outcome="left", sign_in=None, why=why, remarks=(), todo=())
    return replace(decision, remarks=(*decision.remarks, *remarks)) if remarks else decision


def _remark_on_comments(source: SourceText, commented: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    lines = [str(line) for line in sorted({source.line(start) for start, _ in commented})]
    if not lines:
        return ()
    where = ", ".join([*lines[:_SHOWN], *(["..."] if len(lines) > _SHOWN else [])])
    return (f"Comments stay as they are. There may be an old password in one (line {where}): remove it by hand.",)


def _require_same_accounts(name: str, before: DialectFile, after: DialectFile) -> None:
    """Raise OAuth2Pop3Error if the host would take a translated account for another: that is a bug in oauth2-pop3."""

    def identities(file: DialectFile) -> list[tuple[str, str, str]]:
        return [(account.protocol, account.server, account.username) for account in file.accounts]

    if identities(before) != identities(after):
        raise OAuth2Pop3Error(
            f"the translation of {name} would change what its accounts are, so it was not made",
            hint="This is a fault of oauth2-pop3: please report it, with the file's lines but without its passwords.",
        )
