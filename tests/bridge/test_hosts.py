"""fetchmail and mpop do the same with OAuth 2.0 as with a password: each scenario is run both ways, and compared.

fetchmail goes through the bridge; mpop signs in itself with what `oauth2-pop3 token` prints, or goes through the bridge
too, which reads ahead for it.
"""

from __future__ import annotations

import json
import poplib
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from servers import dovecot as dovecot_module
from servers import ports
from servers.authorization_server import NATIVE_PUBLIC, NATIVE_SHORT, AuthorizationServer, Client
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from servers.faulty_path import Fault, FaultyPath
from support.hosts import Fetchmail, Message, Mpop, connected, said, until
from support.product import ADDRESS, Product

OTHER = "bob@example.org"
FETCH = r"(RETR|TOP) "
SIGN_IN = r"(PASS|AUTH) "
UNIQUE_IDS = "pop3_uidl_format = %f\n"
WITH_A_PASSWORD = ("straight", "plain")
MPOP = ("plain", "xoauth2", "oauthbearer")


class Outcome(NamedTuple):
    """The result of a host's run. left: what is left in the maildrop of each user."""

    exit_code: int
    delivered: list[Message]
    left: list[list[str]]
    remembered: list[str]


@dataclass
class Around:
    """What the hosts work with. client: one of the authorization server's."""

    product: Product
    pop3: Dovecot
    authorization_server: AuthorizationServer
    certificates: Certificates
    client: Client = NATIVE_PUBLIC

    def __post_init__(self) -> None:
        self.product.use(self.authorization_server, self.pop3, client=self.client)
        assert self.product.login(self.authorization_server, ADDRESS).returncode == 0
        self._record = self.product.stored()
        self._configuring = threading.Lock()

    def sign_in(self, user: str) -> None:
        """Sign the users in without `login`, which would take a fifth of a second for each of them."""
        tokens = self.authorization_server.issue_tokens(user, client=self.client)
        record = self._record | {name: tokens[name] for name in ("access_token", "refresh_token")}
        file = self.product.state / "tokens" / f"{user}.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(record))
        with self._configuring, self.product.config_file.open("a") as config:
            config.write(f'[accounts."{user}"]\nprovider = "example"\n')


class Way:
    """One of the ways that are compared: with a password, or with OAuth 2.0.

    Each is in the maildrop of a user of its own, so that all can run at the same time.
    """

    def __init__(self, name: str, host: Fetchmail | Mpop, around: Around) -> None:
        self.name = name
        self.oauth2 = name not in WITH_A_PASSWORD
        self.host = host
        self.said = ""
        self._around = around

    def configure(self, port: int, user: str, *more: str, timeout: int = 60) -> None:
        """Write the host's file. timeout: seconds the server may stay silent."""
        raise NotImplementedError

    def user(self, user: str) -> str:
        """The user as whom this way signs in."""
        return f"{self.name}.{user}"

    def close(self) -> None:
        """End what configure() has started."""

    def fill(self, user: str, numbers: range, size: int = 2000) -> None:
        """Put messages in; those of one number are the same for every way."""
        for number in numbers:
            text = dovecot_module.message(number, user, size)
            self._around.pop3.deliver(self.user(user), text, name=f"{number:06}")

    def run(self, *users: str) -> Outcome:
        """Fetch once. users: those whose maildrops are looked at."""
        result = self.host.run()
        self.said += said(result)
        return self.outcome(result.returncode, *users)

    def outcome(self, exit_code: int, *users: str) -> Outcome:
        left = [self._around.pop3.names(self.user(user)) for user in users]
        remembered = [line.replace(f"{self.name}.", "") for line in self.host.remembered()]
        return Outcome(exit_code, self.host.messages(), left, sorted(remembered))


class FetchmailWay(Way):
    """straight; bridged, which does not read ahead unless it is told to; ahead."""

    def configure(
        self,
        port: int,
        user: str,
        *more: str,
        options: str = "",
        deliver: str = "{mda}",
        passwords: Sequence[str] = (),
        timeout: int = 60,
    ) -> None:
        """more: users. options: of each, as `keep`. passwords: of the users, if one of them is wrong."""
        ca_file = self._around.authorization_server.ca_file
        poll = f"poll localhost proto pop3 uidl timeout {timeout} auth password"
        if self.oauth2:
            bridge = f"{self._around.product.command} bridge %h {port} --timeout {timeout} --ca-certs {ca_file}"
            poll += f' plugin "{bridge}{"" if self.name == "ahead" else " --no-read-ahead"}"'
            signs_in = "sslproto '' password 'x'"
        else:
            poll += f" port {port}"
            signs_in = f"ssl sslcertck sslcertfile {ca_file} password '{{}}'"
        secrets = passwords or [Dovecot.password] * (1 + len(more))
        lines = [
            f"user '{self.user(name)}' there {signs_in.format(secret)} {options} {deliver}"
            for name, secret in zip((user, *more), secrets, strict=True)
        ]
        self.host.configure("\n  ".join([poll, *lines]) + "\n")


class MpopWay(Way):
    """plain, xoauth2, oauthbearer; listening: a bridge that does so, and reads ahead."""

    _bridge: subprocess.Popen[str] | None = None

    def configure(self, port: int, user: str, *more: str, secret: str = "", timeout: int = 60) -> None:
        """more: lines. secret: instead of the right password, or the command that prints a token."""
        command = f"{self._around.product.command} token {self.user(user)}"
        given = secret or (command if self.oauth2 else f"echo {Dovecot.password}")
        tls = ["tls on", "tls_starttls off", f"tls_trust_file {self._around.authorization_server.ca_file}"]
        auth = self.name
        if self.name == "listening":
            port, given = self._listen(port, self.user(user))
            auth, tls = "user", ["tls off"]
        lines = [
            "account ann",
            "host localhost",
            f"port {port}",
            f"user {self.user(user)}",
            f"auth {auth}",
            f'passwordeval "{given}"',
            *tls,
            f"timeout {timeout}",
            "{delivery}",
            *more,
        ]
        self.host.configure("\n".join(lines) + "\n")

    def _listen(self, port: int, address: str) -> tuple[int, str]:
        """Start a bridge to this port; returns its own, and the command that prints its password."""
        self.close()
        product, own = self._around.product, ports.free()
        password = product.run("bridge-password", address, check=True).stdout.strip()
        command = [product.command, "bridge", "localhost", str(port), "--listen", str(own)]
        command += ["--ca-certs", str(self._around.authorization_server.ca_file)]
        self._bridge = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._bridge.stderr is not None
        assert "listening" in self._bridge.stderr.readline()
        return own, f"echo {password}"

    def close(self) -> None:
        if self._bridge is not None:
            self._bridge.kill()
            self._bridge.communicate()


Scenario = Callable[[Any, str], list[Outcome]]


class Compare:
    """Runs a scenario in several ways at the same time, and compares the results."""

    def __init__(self, around: Around) -> None:
        self.around = around

    def __call__(self, scenario: Scenario, user: str, *names: str) -> list[Outcome]:
        """The result of all of them; fails if any differs from the first."""
        first, *others = self.runs(scenario, user, *names)
        for _, other, text in others:
            assert other == first[1], text
        return first[1]

    def runs(self, scenario: Scenario, user: str, *names: str) -> list[tuple[str, list[Outcome], str]]:
        """For each way: its name, its result, and what the host said."""

        def one(name: str) -> tuple[str, list[Outcome], str]:
            way = self.way(name, user)
            if way.oauth2:
                self.around.sign_in(way.user(user))
            try:
                outcomes = scenario(way, user)
            finally:
                way.close()
            return name, outcomes, way.said

        with ThreadPoolExecutor(len(names)) as pool:
            return list(pool.map(one, names))

    def way(self, name: str, user: str) -> Way:
        home = Path(tempfile.mkdtemp(prefix=f"{user}-{name}-", dir=self.around.product.home))
        if name in ("straight", "bridged", "ahead"):
            return FetchmailWay(name, Fetchmail(home), self.around)
        return MpopWay(name, Mpop(home), self.around)


@pytest.fixture(scope="module")
def pop3(certificates: Certificates, authorization_server: AuthorizationServer) -> Iterator[Dovecot]:
    """Its unique-ids are the names of the files, so that the same messages can be put in again."""
    with Dovecot(certificates, authorization_server, settings=UNIQUE_IDS) as server:
        yield server


@pytest.fixture
def compare(
    product: Product, pop3: Dovecot, authorization_server: AuthorizationServer, certificates: Certificates
) -> Compare:
    return Compare(Around(product, pop3, authorization_server, certificates))


# -- faults on the way to the server

BEFORE_SIGN_IN = [
    Fault("", "reset"),
    Fault("", "stall"),
    Fault(SIGN_IN, "end"),
    Fault(SIGN_IN, "-ERR [SYS/TEMP] A bad day"),
    Fault(SIGN_IN, "-ERR [SYS/PERM] Never"),
    Fault(SIGN_IN, "-ERR [IN-USE] Somebody else is at it"),
    Fault(SIGN_IN, "-ERR [LOGIN-DELAY] Not so fast"),
    Fault(SIGN_IN, "-ERR [AUTH] No", times=2),
]
AFTER_SIGN_IN = [
    Fault("STAT", "-ERR Not now"),
    Fault(FETCH + "5", "end"),
    Fault(FETCH + "5", "end", after=2500),
    Fault(FETCH + "5", "reset", after=2500),
    Fault(FETCH + "5", "stall", after=2500),
    Fault(FETCH + "5", "-ERR It is gone"),
    Fault("DELE 5", "end"),
    Fault("DELE 5", "-ERR No"),
    Fault("QUIT", "end"),
    Fault("QUIT", "end", after=1),
    Fault("QUIT", "-ERR Not all could be deleted"),
]
OF_MPOP = [
    Fault("", "reset"),
    Fault("", "stall"),
    Fault(SIGN_IN, "end"),
    Fault(SIGN_IN, "reset"),
    Fault(SIGN_IN, "stall"),
    Fault("AUTH", "-ERR [SYS/TEMP] A bad day"),
    Fault("RETR 1$", "end", after=20_000),
    Fault("RETR 1$", "reset", after=20_000),
    Fault("RETR 1$", "stall", after=20_000),
    Fault("QUIT", "end"),
]
REFUSED_TO_MPOP = [
    Fault("RETR 3$", "-ERR It is gone"),
    Fault("DELE 3$", "-ERR No"),
    Fault("QUIT", "-ERR Not all could be deleted"),
]
EVERYTHING = [f"Message {number}" for number in range(1, 9)]


def meets(fault: Fault, around: Around, *options: str) -> Scenario:
    """A run that meets the fault, and one after it. options: lines of mpop's file."""

    def scenario(way: Way, user: str) -> list[Outcome]:
        way.fill(user, range(1, 9), size=6000)
        with FaultyPath(around.certificates, around.pop3) as path:
            path.fault = met = replace(fault)
            way.configure(path.port, user, *options, timeout=10 if fault.kind == "stall" else 60)
            if fault.kind == "stall" and isinstance(way, MpopWay):
                threading.Thread(target=release_once_met, args=(path, met)).start()
            outcomes = [way.run(user)]
            assert path.fault.seen, f"it has not happened\n{way.said}"
            path.fault = None
            path.release()
            return [*outcomes, way.run(user)]

    return scenario


def release_once_met(path: FaultyPath, fault: Fault) -> None:
    until(lambda: fault.seen)
    time.sleep(1)
    path.release()


def before_sign_in(fault: Fault, compare: Compare, user: str) -> None:
    scenario = meets(fault, compare.around)
    if "SYS/TEMP" in fault.kind:  # alone, it is a wrong password to fetchmail; the bridge adds the words that help
        runs = compare.runs(scenario, user, "straight", "ahead")
        assert [first.exit_code for _, (first, _), _ in runs] == [3, 14], runs
        second = runs[1][1][1]
        assert second == runs[0][1][1]
    else:
        _, second = compare(scenario, user, "straight", "ahead")
    assert sorted(message.subject for message in second.delivered) == EVERYTHING


def after_sign_in(fault: Fault, compare: Compare, user: str) -> None:
    """If the connection ends while messages are read ahead, that comes at another moment. A refusal does not."""
    scenario = meets(fault, compare.around)
    is_refusal = " " in fault.kind
    _, second = compare(scenario, user, "straight", "bridged", *(["ahead"] if is_refusal else []))
    # What fetchmail had before the fault it neither asks for again nor deletes.
    assert {message.subject for message in second.delivered} == set(EVERYTHING)
    if is_refusal:
        return
    [(_, (first, second), _)] = compare.runs(scenario, user, "ahead")
    assert first.exit_code != 0
    whole = max(message.octets for message in second.delivered)
    assert sorted(m.subject for m in second.delivered if m.octets == whole) == EVERYTHING, f"{first}, {second}"


def of_mpop(pipelining: str, fault: Fault, compare: Compare, user: str) -> None:
    """mpop 1.4.18 waits for ever if TLS falls silent, whatever its `timeout`: the path ends the connection."""
    scenario = meets(fault, compare.around, f"pipelining {pipelining}")
    runs = compare.runs(scenario, user, *MPOP)
    for name, (first, second), text in runs:
        # A refusal of the bare command is 77 to mpop 1.4.18, except for XOAUTH2: there it is "command failed", 76.
        if (name, fault.command) == ("xoauth2", "AUTH"):
            assert first.exit_code == 76, text
            first = first._replace(exit_code=77)
        assert [first, second] == runs[0][1], f"{name}\n{text}"
        assert first.exit_code != 0
        assert second.exit_code == 0
        assert sorted(message.subject for message in second.delivered) == EVERYTHING


def of_mpop_and_bridge(pipelining: str, fault: Fault, compare: Compare, user: str) -> None:
    scenario = meets(fault, compare.around, f"pipelining {pipelining}")
    first, second = compare(scenario, user, "plain", "listening")
    assert first.exit_code != 0
    assert {message.subject for message in second.delivered} == set(EVERYTHING)


# -- and without faults


def a_maildrop_that_another_session_has(host: str, compare: Compare, _: Compare, user: str) -> None:
    """Dovecot waits for ten seconds before it says so."""
    context = ssl.create_default_context(cafile=str(compare.around.certificates.ca_file))
    port = compare.around.pop3.pop3s_port

    def scenario(way: Way, user: str) -> list[Outcome]:
        way.fill(user, range(1, 4))
        way.configure(port, user)
        client = poplib.POP3_SSL("localhost", port, context=context)
        client.user(way.user(user))
        client.pass_(Dovecot.password)
        outcomes = [way.run(user)]
        client.quit()
        return [*outcomes, way.run(user)]

    first, second = compare(scenario, user, *(("straight", "ahead") if host == "fetchmail" else ("plain", "xoauth2")))
    assert first.exit_code == (9 if host == "fetchmail" else 77)
    assert len(first.left[0]) == 3
    assert len(second.delivered) == 3


def a_thousand_messages(compare: Compare, user: str) -> None:
    """Kept, nothing new, some new, and then deleted."""

    def scenario(way: FetchmailWay, user: str) -> list[Outcome]:
        way.fill(user, range(1, 1001))
        way.configure(compare.around.pop3.pop3s_port, user, options="keep", deliver="{bsmtp}")
        outcomes = [way.run(user), way.run(user)]
        way.fill(user, range(1001, 1011))
        outcomes.append(way.run(user))
        way.fill(user, range(1011, 1021))
        way.configure(compare.around.pop3.pop3s_port, user, options="fetchall", deliver="{bsmtp}")
        return [*outcomes, way.run(user)]

    outcomes = compare(scenario, user, "straight", "ahead")
    assert [outcome.exit_code for outcome in outcomes] == [0, 1, 0, 0]
    assert [len(outcome.delivered) for outcome in outcomes] == [1000, 1000, 1010, 2030]
    assert [len(outcome.remembered) for outcome in outcomes[:3]] == [1000, 1000, 1010]
    assert len(set(outcomes[-1].delivered)) == 1020
    assert outcomes[-1].left == [[]]


def the_first_of_two_users_is_refused(compare: Compare, user: str) -> None:
    around = compare.around
    order = (f"refused.{user}", user)

    def scenario(way: FetchmailWay, user: str) -> list[Outcome]:
        if way.oauth2:
            around.sign_in(way.user(order[0]))
            around.authorization_server.revoke(around.product.stored(way.user(order[0]))["refresh_token"])
        for name in order:
            way.fill(name, range(1, 6))
        way.configure(around.pop3.pop3s_port, *order, passwords=["wrong", Dovecot.password])
        return [way.run(*order)]

    [outcome] = compare(scenario, user, "straight", "ahead")
    assert len(outcome.delivered) == 5
    assert [len(left) for left in outcome.left] == [5, 0]


def a_refusal_in_whose_text_stands_a_word_that_fetchmail_looks_for(compare: Compare, user: str) -> None:
    """It reads any -ERR with "lock" or "wait" in it as a maildrop that another session has, and says nothing."""
    around = compare.around

    def scenario(way: FetchmailWay, user: str) -> list[Outcome]:
        if way.oauth2:
            around.authorization_server.revoke(around.product.stored(way.user(user))["refresh_token"])
        way.configure(around.pop3.pop3s_port, user, passwords=["wrong"])
        return [way.run(user)]

    [outcome] = compare(scenario, "waite.bullock@example.org", "straight", "ahead")
    assert outcome.exit_code == 3


def no_server(compare: Compare, user: str) -> None:
    def scenario(way: FetchmailWay, user: str) -> list[Outcome]:
        way.fill(user, range(1, 3))
        way.configure(1, user)
        return [way.run(user)]

    [outcome] = compare(scenario, user, "straight", "ahead")
    assert outcome.exit_code == 2


def mpop_keeps_and_deletes(pipelining: str, compare: Compare, user: str) -> None:
    port = compare.around.pop3.pop3s_port

    def scenario(way: MpopWay, user: str) -> list[Outcome]:
        way.fill(user, range(1, 201))
        way.configure(port, user, f"pipelining {pipelining}", "keep on")
        outcomes = [way.run(user), way.run(user)]
        way.fill(user, range(201, 211))
        way.configure(port, user, f"pipelining {pipelining}", "keep off")
        return [*outcomes, way.run(user), way.run(user)]

    outcomes = compare(scenario, user, *MPOP, "listening")
    assert [outcome.exit_code for outcome in outcomes] == [0] * 4
    assert [len(outcome.delivered) for outcome in outcomes] == [200, 200, 210, 210]
    assert [len(outcome.left[0]) for outcome in outcomes] == [200, 200, 0, 0]
    assert len(set(outcomes[-1].delivered)) == 210


def mpop_is_refused(compare: Compare, user: str) -> None:
    """By the server, and by the bridge: nobody has signed in."""
    around = compare.around

    def scenario(way: MpopWay, user: str) -> list[Outcome]:
        way.configure(around.pop3.pop3s_port, user, secret="echo wrong")
        outcomes = [way.run(user)]
        nothing = f"{around.product.command} token nobody@example.org" if way.oauth2 else "exit 77"
        way.configure(around.pop3.pop3s_port, user, secret=nothing)
        return [*outcomes, way.run(user)]

    outcomes = compare(scenario, user, *MPOP)
    assert [outcome.exit_code for outcome in outcomes] == [77, 78]


Check = Callable[[Compare, str], None]


def test_fetchmail_and_mpop_do_what_they_do_with_a_password(
    compare: Compare, dovecot_factory: Callable[..., Dovecot]
) -> None:
    """All at the same time, since they mostly wait: fetchmail for a second before any plugin."""
    locked = Compare(replace(compare.around, pop3=dovecot_factory(lock_session=True, settings=UNIQUE_IDS)))
    checks: dict[str, Check] = {  # what takes longest comes first
        f"{host}: a locked maildrop": partial(a_maildrop_that_another_session_has, host, locked)
        for host in ("fetchmail", "mpop")
    }
    for fault in sorted((*BEFORE_SIGN_IN, *AFTER_SIGN_IN), key=lambda fault: fault.kind != "stall"):
        meeting = before_sign_in if fault in BEFORE_SIGN_IN else after_sign_in
        checks[f"fetchmail: {fault}"] = partial(meeting, fault)
    for pipelining in ("on", "off"):
        checks[f"mpop: pipelining {pipelining}"] = partial(mpop_keeps_and_deletes, pipelining)
        for fault in REFUSED_TO_MPOP:
            checks[f"mpop: pipelining {pipelining}, {fault}"] = partial(of_mpop_and_bridge, pipelining, fault)
        for fault in OF_MPOP:
            if fault.after or pipelining == "on":
                checks[f"mpop: pipelining {pipelining}, {fault}"] = partial(of_mpop, pipelining, fault)
    for check in (
        a_thousand_messages,
        the_first_of_two_users_is_refused,
        a_refusal_in_whose_text_stands_a_word_that_fetchmail_looks_for,
        no_server,
        mpop_is_refused,
    ):
        checks[check.__name__] = check

    def run(number: int, check: Check) -> str:
        try:
            check(compare, f"user{number}@example.org")
        except AssertionError as error:
            return str(error) or repr(error)
        return ""

    with ThreadPoolExecutor(16) as pool:
        found = dict(zip(checks, pool.map(run, count(), checks.values()), strict=False))
    if failures := [f"{name}\n{error}" for name, error in found.items() if error]:
        pytest.fail("\n\n".join(failures))


# -- with servers of their own


def test_the_authorization_server_is_down(
    compare: Compare,
    pop3: Dovecot,
    authorization_server: AuthorizationServer,
    certificates: Certificates,
    product: Product,
) -> None:
    """A temporary problem to fetchmail, which takes a bare [SYS/TEMP] for a wrong password and mails the user."""

    def scenario(way: FetchmailWay, user: str) -> list[Outcome]:
        way.fill(user, range(1, 3))
        with FaultyPath(certificates, pop3) as path:
            way.configure(path.port, user)
            if way.oauth2:
                product.expire(way.user(user))
                authorization_server.fault("503")
            else:
                path.fault = Fault("PASS", "-ERR [SYS/TEMP] service unavailable")
            outcomes = [way.run(user)]
            path.fault = None
            if way.oauth2:
                authorization_server.fault(None)
            return [*outcomes, way.run(user)]

    first, second = compare(scenario, ADDRESS, "straight", "ahead")
    assert first.exit_code == 14
    assert len(second.delivered) == 2


def test_a_daemon_across_the_end_of_tokens(
    product: Product, pop3: Dovecot, authorization_server: AuthorizationServer, certificates: Certificates
) -> None:
    """Both at the same time, while mail comes in; each token is good for three seconds."""
    around = Around(product, pop3, authorization_server, certificates, NATIVE_SHORT)
    ways = [Compare(around).way(name, ADDRESS) for name in ("straight", "ahead")]
    bridged_user = ways[1].user(ADDRESS)
    around.sign_in(bridged_user)
    tokens: set[str] = set()
    with ExitStack() as stack:
        daemons = []
        for way in ways:
            assert isinstance(way, FetchmailWay)
            assert isinstance(way.host, Fetchmail)
            way.configure(pop3.pop3s_port, ADDRESS)
            daemons.append(stack.enter_context(way.host.daemon(1)))
        deadline = time.monotonic() + 180
        number = 0
        while len(tokens) < 3 and time.monotonic() < deadline:
            number += 1
            for way in ways:
                way.fill(ADDRESS, range(number, number + 1))
            tokens.add(product.stored(bridged_user)["access_token"])
            time.sleep(0.6)
        until(lambda: not any(pop3.count(way.user(ADDRESS)) for way in ways))
        until(lambda: not any(map(connected, daemons)))
        time.sleep(0.2)  # it still writes down what it has seen
        for daemon in daemons:
            daemon.terminate()
        straight, bridged = (way.outcome(daemon.wait(180), ADDRESS) for way, daemon in zip(ways, daemons, strict=True))
    assert bridged == straight
    assert [message.subject for message in bridged.delivered] == sorted(f"Message {n + 1}" for n in range(number))
    assert bridged.left == [[]]
    assert len(tokens) == 3, "the daemon has used this many"
