"""Two unique-ids that differ only in / and - are two messages, in whatever order they come and go."""

from __future__ import annotations

import itertools

import pytest

from oauth2_pop3.hosts.getmail6 import seen_names
from servers.certificates import Certificates
from servers.scripted_pop3 import ScriptedPop3
from support.outcomes import Ways
from support.product import Product

NOW = 1_800_000_000


class SeenFile:
    """What the retriever does with its seen-file, without getmail: `delivered` counts by unique-id."""

    def __init__(self, names: list[str] | None = None) -> None:
        self.seen = dict.fromkeys(names or [], NOW)
        self.delivered: list[str] = []

    def run(self, listed: list[str]) -> None:
        names = seen_names.names(listed, self.seen)
        assert len(set(names.values())) == len(listed), "two messages have one name"
        for unique_id in listed:
            if names[unique_id] not in self.seen:
                self.delivered.append(unique_id)
        for unique_id in listed:
            self.seen[names[unique_id]] = NOW
            if own := seen_names.own(unique_id):
                self.seen[own] = NOW


@pytest.mark.parametrize("unique_ids", [("a/b", "a-b"), ("a/b-c", "a-b/c"), ("/", "-"), ("a/b-c", "a-b/c", "a-b-c")])
def test_each_message_is_delivered_once_whatever_is_there_and_when(unique_ids: tuple[str, ...]) -> None:
    subsets = [list(chosen) for n in (1, 2, 3) for chosen in itertools.permutations(unique_ids, n)]
    for runs in itertools.product(subsets, repeat=3):
        file = SeenFile()
        for listed in runs:
            file.run(listed)
        assert sorted(file.delivered) == sorted({*itertools.chain(*runs)}), runs


@pytest.mark.parametrize("unique_id", ["plain", "a/b", "a-b", "a/b/c"])
def test_what_getmails_own_types_have_seen_is_seen(unique_id: str) -> None:
    file = SeenFile([seen_names.short(unique_id)])
    file.run([unique_id])
    file.run(["a-c", unique_id])
    assert file.delivered == ["a-c"]
    assert seen_names.short(unique_id) in file.seen, "getmail's own types find it again"


def test_a_blank_is_not_taken_for_a_slash() -> None:
    file = SeenFile()
    file.run(["a/b/c"])
    file.run(["a/b/c", "a b/c"])
    file.run(["a b/c", "a/b/c"])
    assert file.delivered == ["a/b/c", "a b/c"]


def test_what_cannot_be_told_is_delivered_rather_than_lost() -> None:
    file = SeenFile(["a-b"])
    file.run(["a/b", "a-b"])
    file.run(["a-b", "a/b"])
    assert file.delivered == ["a/b", "a-b"]


def test_what_is_doubtful_and_what_has_vanished_is_forgotten() -> None:
    listed = seen_names.ListedNames()
    seen = {"gone": NOW - 40 * 86400, "new": NOW, "unique-id x y .": NOW - 40 * 86400, "e-f": NOW - 40 * 86400}
    listed.take(["a/b", "c", "e/f"], seen)
    seen |= {"a-b": NOW, seen_names.own("a/b"): NOW, "c": NOW}
    for name in listed.in_seen_file("a-b"):
        del seen[name]
    listed.forget_vanished(seen, {"a-b", "c", "e-f"}, NOW)
    assert set(seen) == {"new", "c", "e-f", seen_names.own("e/f")}


@pytest.mark.parametrize("unique_ids", [("a/b", "a-b"), ("a-b", "a/b")])
def test_no_mail_is_lost_with_delete_dup_msgids(
    unique_ids: tuple[str, str], product: Product, certificates: Certificates
) -> None:
    """getmail's own types deliver one of the two and delete both."""
    messages = [b"Subject: %d\r\n\r\n" % n for n in (1, 2)]
    server = ScriptedPop3(certificates, messages, lambda *_: None, unique_ids=unique_ids)
    with server.running():
        outcome = Ways(product, certificates).run(
            "getmail", server, times=2, getmail="delete = true", retriever="delete_dup_msgids = true"
        )
    assert (outcome.exit_code, outcome.subjects, outcome.left) == (0, ["1", "2"], [])


def test_the_same_unique_id_twice_is_the_same_message(product: Product, certificates: Certificates) -> None:
    server = ScriptedPop3(certificates, [b"Subject: 1\r\n\r\n"] * 2, lambda *_: None, unique_ids=("a/b", "a/b"))
    with server.running():
        ways = Ways(product, certificates)
        refused = ways.run("getmail", server)
        assert (refused.exit_code, refused.subjects, refused.left) == (127, [], ["a/b", "a/b"])
        outcome = ways.run("getmail", server, getmail="delete = false", retriever="delete_dup_msgids = true")
    assert (outcome.exit_code, outcome.subjects, outcome.left) == (0, ["1"], ["a/b"])


def test_after_a_return_to_getmails_own_type_nothing_is_lost(product: Product, certificates: Certificates) -> None:
    """The seen-file is read as getmail's own type reads it: one line for each message under its short name."""
    file = SeenFile()
    file.run(["a/b", "c-d", "e"])
    assert {"a-b", "c-d", "e"} <= set(file.seen)
    assert all(name.count("/") == 0 and name == name.strip() for name in file.seen)
