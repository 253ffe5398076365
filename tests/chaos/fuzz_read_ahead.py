"""Random sessions through the proxy that reads ahead, each beside the same session without it.

::

    python tests/chaos/fuzz_read_ahead.py [--inputs N] [--seconds S] [--seed X]

Until N inputs were tried, or S seconds are over; 10,000 inputs if neither is given. It prints how many there were, the
slowest one, and for each failure the seed: `--seed X --inputs 1` tries that one alone. The exit code is 1 if there were
failures.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

import argparse
import random
import time
import traceback
from dataclasses import replace

from oauth2_pop3.bridge.passthrough import Passthrough
from oauth2_pop3.bridge.read_ahead_proxy import ReadAheadProxy
from support.maildrop_model import CAPABILITIES, Conversation, Maildrop, lines_of

BODIES = (b"", b"a", b".", b"..", b"a\n.b\n", b"\n", b"\n.\n.", b"x" * 300, b"\n.\n", b"+OK\n", b"-ERR no\n\n")
CAPAS = ("PIPELINING", "PIPELINING", "UIDL", "EXPIRE 0,PIPELINING", "EXPIRE 0", "EXPIRE NEVER,PIPELINING", "-")
ODD = (
    *("", "XTND XMIT", "RETR", "RETR x", "TOP 1", "RETR 01", "RETR +1", "retr 1", "RETR  1", "RETR 1 ", "LIST "),
    *("Top 1 0", "LIST x", "UIDL x", "DELE", "DELE 01", "RETR 0", "TOP 1 -1", "NOOP 1", "RETR 99", "dele 2", "LAST"),
    *("rset", "LIST 02"),
)
SIMPLE = ("STAT", "LIST", "UIDL", "NOOP", "RSET", "CAPA", "LAST", "STAT", "LIST", "RSET")
NOT_KNOWN = b"-ERR it is not known, because messages were read ahead\r\n"
STRAY = (b"", b"", b"\r\n", b"\n", b"hello\r\n", b"more\r\n.\r\n", b"\r\nmore\r\n\r\n.\r\n", b"+ \r\n")


def maildrop(numbers: random.Random) -> Maildrop:
    """A server, of which everything is left to chance but that the same command has the same response."""
    bodies = [numbers.choice(BODIES) for _ in range(numbers.choice((0, 1, 3, 5, 8)))]
    refused = {
        f"{numbers.choice(('DELE', 'DELE', 'RETR', 'TOP', 'UIDL', 'QUIT'))} {numbers.randint(1, 8)}"
        for _ in range(numbers.choice((0, 0, 1, 3)))
    }
    unlisted = numbers.choice((frozenset(), frozenset(), frozenset({numbers.randint(1, 8)})))
    odd_sizes = (1, 0, 3 << 20, 17 << 20, 10**30)
    sizes = {n: numbers.choice(odd_sizes) for n in range(1, 9) if numbers.random() < 0.1}
    return Maildrop(
        bodies,
        capa=numbers.choice(CAPAS),
        refused=frozenset(refused),
        unlisted=unlisted,
        sizes=sizes,
        strict=numbers.random() < 0.3,
        end=numbers.choice((b"\r\n", b"\r\n", b"\n")),
        has_last=numbers.random() < 0.5,
    )


def script(numbers: random.Random) -> list[str]:
    """What a client asks: as fetchmail does, as mpop does, and as nobody does."""
    lines: list[str] = []
    for _ in range(numbers.choice((1, 1, 2, 3, 6))):
        first = numbers.randint(1, 3)
        some = range(first, first + numbers.choice((1, 2, 3, 4, 8)))
        verb = numbers.choice(("RETR {}", "RETR {}", "TOP {} 99999999", "TOP {} 0", "retr {}"))
        match numbers.randrange(7):
            case 0:
                lines.append(numbers.choice(SIMPLE))
            case 1:
                lines.append(numbers.choice(ODD) if numbers.random() < 0.3 else numbers.choice(SIMPLE))
            case 2:
                lines += [numbers.choice(("RETR {}", "DELE {}", "LIST {}", "UIDL {}")).format(n) for n in some]
            case 3:
                lines += [line.format(n) for n in some for line in ("LIST {}", verb, "DELE {}")]
            case 4:
                lines += [line.format(n) for line in (verb, "DELE {}") for n in some]
            case 5:
                lines += [line.format(n) for n in some for line in ("LIST {}", verb)]
            case 6:
                lines += [numbers.choice(("DELE {}", "RETR {}", "LIST {}")).format(numbers.randint(0, 9)) for _ in some]
    if numbers.random() < 0.05:
        lines.insert(numbers.randrange(len(lines)), "QUIT")
    return [*lines, *["QUIT"] * (numbers.random() < 0.9)]


def the_same(numbers: random.Random) -> None:
    """A client that sends what it likes."""
    compare(maildrop(numbers), script(numbers), numbers.choice((0, 1, 3, 50)), numbers)


def compare(direct: Maildrop, lines: list[str], patience: int, numbers: random.Random) -> None:
    """The client gets what it would get without the proxy, and deletes the same messages.

    direct: the server, which has not been asked anything.
    patience: how many pieces of responses come before the client sends the next line.
    """
    steps_aside = {*ODD, "DELE 0", "RETR 0"} - {"LAST"}
    direct.has_last &= steps_aside.isdisjoint(lines)  # then LAST is passed on as it is
    server = replace(direct, marked=set(), deleted=set(), asked=[])
    conversation = Conversation(server, ReadAheadProxy([CAPABILITIES[0].split()[0]]), numbers)
    for line in lines:
        conversation.send(line.encode() + numbers.choice((b"\r\n", b"\r\n", b"\n")))
        if patience:
            conversation.move(patience)
    conversation.send(b"QUI"[: numbers.randrange(4)])  # a line without an end is no command
    conversation.settle()
    left = conversation.received
    for line in lines:
        expected = direct.responses(line.encode() + b"\r\n")
        allowed = [expected, expected.replace(CAPABILITIES[0].encode() + direct.end, b"")]
        if line.startswith("LIST ") and expected.startswith(b"+OK"):  # early
            allowed.append(expected.rstrip() + b"\r\n")
        if line == "LAST" and expected.startswith(b"+OK"):
            allowed.append(NOT_KNOWN)
        found = next((each for each in allowed if left.startswith(each)), None)
        assert found is not None, f"{line}: {left[:80]!r} instead of {expected!r}\n{direct}\n{lines}"
        left = left[len(found) :]
    assert not left, f"{left[:80]!r} is too much\n{direct}\n{lines}"
    assert (server.marked, server.deleted) == (direct.marked, direct.deleted), f"{direct}\n{lines}"


class Host:
    """A client that waits for each response, as fetchmail does, and ends at one that is none.

    got: messages by number. told: what it was told to be marked for deletion. unsure: what it was to
    delete when it ended.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._unread = b""
        self.got: dict[int, bytes] = {}
        self.told: set[int] = set()
        self.unsure: set[int] = set()
        self.has_quit = False

    def run(self, lines: list[str]) -> None:
        """Raises EOFError if no response comes, and ValueError if it is none."""
        for line in lines:
            verb, number = line.split()[0].upper(), int((line + " 0").split()[1])
            self.unsure = {number} if verb == "DELE" else set()
            response = self.ask(line)
            self.unsure = set()
            if not response.startswith(b"+OK"):
                continue
            if verb in ("RETR", "TOP"):
                self.got[number] = self.lines()
            elif verb == "DELE":
                self.told.add(number)
            elif verb == "RSET":
                self.told.clear()
            elif verb in ("LIST", "UIDL", "CAPA") and number == 0:
                self.lines()

    def quit(self) -> None:
        self.has_quit = self.ask("QUIT").startswith(b"+OK")

    def ask(self, line: str) -> bytes:
        self._unread += self._conversation.ask(line)
        response = self.line()
        if not response.startswith((b"+OK", b"-ERR")):
            raise ValueError(response)
        return response

    def line(self) -> bytes:
        line, end, self._unread = self._unread.partition(b"\n")
        if not end:
            raise EOFError
        return line.rstrip(b"\r")

    def lines(self) -> bytes:
        found = []
        while (line := self.line()) != b".":
            found.append(line.removeprefix(b"."))
        return b"".join(line + b"\n" for line in found)


def host_run(server: Maildrop, between: Passthrough, lines: list[str], numbers: random.Random) -> Host:
    host = Host(Conversation(server, between, numbers))
    try:
        host.run(lines)
        host.quit()
    except EOFError:
        pass
    except ValueError:
        try:
            host.quit()  # fetchmail does so after a protocol error
        except (EOFError, ValueError):
            pass
    return host


def no_worse(numbers: random.Random) -> None:
    """A server that is out of step: no message is taken for another, and what comes without the proxy comes with it."""
    direct, lines = maildrop(numbers), [line for line in script(numbers) if line != "QUIT" and line not in ODD]
    direct.capa = numbers.choice(CAPAS[:3])
    verb = numbers.choice(("RETR {}", "DELE {}", "TOP {} 99999999", "LIST {}"))
    for _ in range(numbers.randint(0, 2)):
        before, after = numbers.choice(STRAY[:4]), numbers.choice(STRAY)
        direct.around[verb.format(numbers.randint(1, 8))] = (before, after)
    changes = numbers.random() < 0.5
    if changes:
        direct.vanishing = (numbers.randint(0, 8), numbers.randint(0, 30))
        direct.closes_after = numbers.choice((0, numbers.randint(1, 30)))
        direct.refused |= {f"LIST {numbers.randint(1, 8)}"}
    server = replace(direct, marked=set(), deleted=set(), asked=[])
    proxy = ReadAheadProxy()
    straight = host_run(direct, Passthrough(), lines, numbers)
    ours = host_run(server, proxy, lines, numbers)
    about = f"{direct}\n{lines}\n{straight.__dict__}\n{ours.__dict__}\n{server.asked}"
    for number, message in ours.got.items():
        whole = b"".join(line + b"\n" for line in lines_of(direct.bodies[number - 1]))
        assert whole.startswith(message), about
    assert ours.told <= server.marked or "RSET" in lines, about
    if ours.has_quit:
        assert server.deleted <= ours.told | ours.unsure, about
    if not changes:
        assert ours.got.keys() >= straight.got.keys(), about
        if "RSET" not in lines:
            assert ours.told | ours.unsure >= straight.told, about
            assert server.deleted >= direct.deleted, about


def one(numbers: random.Random) -> None:
    """One input. Raises if anything is not as it should be."""
    (the_same if numbers.random() < 0.7 else no_worse)(numbers)


def main() -> int:
    """Try inputs, and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=0, help="0: no limit")
    parser.add_argument("--seconds", type=float, default=0.0, help="0: no limit")
    parser.add_argument("--seed", type=int, default=None, help="of the first input; the next ones count on from it")
    options = parser.parse_args()
    first = random.randrange(1 << 40) if options.seed is None else options.seed
    inputs, failed, slowest, began = 0, 0, (0.0, first), time.perf_counter()
    limit = options.inputs or (0 if options.seconds else 10_000)
    while (not limit or inputs < limit) and (not options.seconds or time.perf_counter() - began < options.seconds):
        seed = first + inputs
        at = time.process_time()
        try:
            one(random.Random(seed))
        except Exception:  # noqa: BLE001
            failed += 1
            if failed <= 10:
                print(f"--seed {seed} --inputs 1\n{traceback.format_exc()}", flush=True)
        slowest = max(slowest, (time.process_time() - at, seed))
        inputs += 1
    seconds = time.perf_counter() - began
    print(f"{inputs} inputs in {seconds:.0f} s, {failed} failures")
    print(f"the slowest took {slowest[0]:.4f} s (seed {slowest[1]})")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
