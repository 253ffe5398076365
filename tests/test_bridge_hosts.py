"""fetchmail through the bridge does what it does without one: every scenario is run both ways, and compared."""

from __future__ import annotations

import poplib
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from hosts import Fetchmail, Message, Mpop, said
from product import ADDRESS, Product
from servers import dovecot as dovecot_module
from servers.authorization_server import NATIVE_SHORT, AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from servers.faulty_path import Fault, FaultyPath

OTHER = "bob@example.org"
FETCH = r"(RETR|TOP) "
SIGN_IN = r"(PASS|AUTH) "


@pytest.fixture(scope="module")
def pop3(certificates: Certificates, authorization_server: AuthorizationServer) -> Iterator[Dovecot]:
    """Its unique-ids are the names of the files, so that a maildrop can be made again as it was."""
    with Dovecot(certificates, authorization_server, settings="pop3_uidl_format = %f\n") as server:
        yield server


@pytest.fixture
def path(certificates: Certificates, pop3: Dovecot) -> Iterator[FaultyPath]:
    with FaultyPath(certificates, pop3) as between:
        yield between


def fill(pop3: Dovecot, user: str, numbers: range, size: int = 2000) -> None:
    """Put messages in; those of one number are the same at any time."""
    pop3.add_messages(user, 0)
    for number in numbers:
        pop3.deliver(user, dovecot_module.message(number, user, size), name=f"{number:06}.{user}")


def empty(pop3: Dovecot, *users: str) -> None:
    """Make it as if there had never been anything in them."""
    for user in users:
        shutil.rmtree(pop3.directory / "mail" / user, ignore_errors=True)


class Outcome(NamedTuple):
    """What a run of a host came to."""

    exit_code: int
    delivered: list[Message]
    left: dict[str, list[str]]
    remembered: list[str]


class Way:
    """One of the two that are compared: straight to the server with a password, or with OAuth 2.0."""

    def __init__(self, name: str, home: Path, product: Product, pop3: Dovecot, ca_file: Path) -> None:
        self.oauth2 = name != "straight"
        self.bridge_options = ""
        self.host = Fetchmail(home / name)
        self.said = ""
        self._product = product
        self._pop3 = pop3
        self._ca_file = ca_file

    def configure(
        self, port: int, *users: str, options: str = "", deliver: str = "{mda}", passwords: Sequence[str] = ()
    ) -> None:
        """options: of each user, as `keep`. passwords: of the users, where one of them is wrong."""
        poll = "poll localhost proto pop3 uidl timeout 2 auth password"
        if self.oauth2:
            bridge = f"{self._product.command} bridge %h {port} --timeout 2 --ca-certs {self._ca_file}"
            bridge += self.bridge_options
            poll += f' plugin "{bridge}"'
            signs_in = "sslproto '' password 'x'"
        else:
            poll += f" port {port}"
            signs_in = f"ssl sslcertck sslcertfile {self._ca_file} password '{{}}'"
        secrets = passwords or [Dovecot.password] * len(users)
        lines = [
            f"user '{user}' there {signs_in.format(secret)} {options} {deliver}"
            for user, secret in zip(users, secrets, strict=True)
        ]
        lines.insert(0, poll)
        self.host.configure("\n  ".join(lines) + "\n")

    def run(self, *users: str) -> Outcome:
        """Poll once. users: whose maildrops are looked at."""
        result = self.host.run()
        self.said += said(result)
        return self.outcome(result.returncode, *users)

    def outcome(self, exit_code: int, *users: str) -> Outcome:
        left = {user: self._pop3.names(user) for user in users}
        return Outcome(exit_code, self.host.messages(), left, self.host.remembered())


Scenario = Callable[[Way, str], list[Outcome]]
Compare = Callable[..., list[Outcome]]


@pytest.fixture
def compare(product: Product, pop3: Dovecot, authorization_server: AuthorizationServer) -> Compare:
    """compare(scenario, user): run it both ways; what it came to, which must be the same.

    options: of the bridge. alike: whether the two are compared.
    """
    product.use(authorization_server, pop3)

    def both(scenario: Scenario, user: str, options: str = "", *, alike: bool = True) -> list[Outcome]:
        assert product.login(authorization_server, user).returncode == 0
        found = {}
        for name in ("straight", "bridged"):
            empty(pop3, user, OTHER)
            way = Way(name, product.home / f"{user}{options.strip()}", product, pop3, authorization_server.ca_file)
            way.bridge_options = options
            if alike or way.oauth2:
                found[name] = scenario(way, user)
        assert not alike or found["bridged"] == found["straight"], way.said
        return found["bridged"]

    return both


FAULTS = [
    Fault("", "reset"),
    Fault("", "stall"),
    Fault(SIGN_IN, "end"),
    Fault(SIGN_IN, "-ERR [SYS/TEMP] A bad day"),
    Fault(SIGN_IN, "-ERR [SYS/PERM] Never"),
    Fault(SIGN_IN, "-ERR [IN-USE] Somebody else is at it"),
    Fault(SIGN_IN, "-ERR [LOGIN-DELAY] Not so fast"),
    Fault(SIGN_IN, "-ERR [AUTH] No", times=2),
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


def test_a_fault_and_the_run_after_it(compare: Compare, certificates: Certificates, pop3: Dovecot) -> None:
    """All at the same time, each with a user of its own: fetchmail waits for a second before any plugin.

    With reading ahead the same faults come at other moments: then what counts is that nothing is lost or comes twice.
    """

    def one(number: int, fault: Fault) -> tuple[str, str]:
        def scenario(way: Way, user: str) -> list[Outcome]:
            fill(pop3, user, range(1, 9), size=6000)
            fault.seen = 0
            with FaultyPath(certificates, pop3) as path:
                path.fault = fault
                way.configure(path.port, user)
                outcomes = [way.run(user)]
                assert fault.seen, "it has happened"
                path.fault = None
                path.release()
                return [*outcomes, way.run(user)]

        try:
            _, second = compare(scenario, f"user{number}@example.org", " --no-read-ahead")
            first, ahead = compare(scenario, f"user{number}@example.org", alike=False)
        except AssertionError as error:
            return name(fault), str(error)
        # What fetchmail had before the fault it does not ask for again, nor does it delete it.
        everything = [f"Message {number}" for number in range(1, 9)]
        assert {message.subject for message in second.delivered} == set(everything)
        whole = max(message.octets for message in ahead.delivered)
        fails = first.exit_code != 0 or " " in fault.kind  # a message that is refused is left for another time
        if not fails or sorted(m.subject for m in ahead.delivered if m.octets == whole) != everything:
            return name(fault), f"read ahead: {first}, {ahead}"
        return name(fault), ""

    def name(fault: Fault) -> str:
        return f"{fault.command}: {fault.kind} after {fault.after}"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(len(FAULTS)), FAULTS))
    assert "\n".join(f"{fault}\n{error}" for fault, error in found if error) == ""


def test_a_thousand_messages(compare: Compare, pop3: Dovecot) -> None:
    """Kept, nothing new, some new, and then deleted."""

    def scenario(way: Way, user: str) -> list[Outcome]:
        fill(pop3, user, range(1, 1001))
        way.configure(pop3.pop3s_port, user, options="keep", deliver="{bsmtp}")
        outcomes = [way.run(user), way.run(user)]
        fill(pop3, user, range(1001, 1011))
        outcomes.append(way.run(user))
        fill(pop3, user, range(1011, 1021))
        way.configure(pop3.pop3s_port, user, options="fetchall", deliver="{bsmtp}")
        return [*outcomes, way.run(user)]

    outcomes = compare(scenario, ADDRESS)
    assert [outcome.exit_code for outcome in outcomes] == [0, 1, 0, 0]
    assert [len(outcome.delivered) for outcome in outcomes] == [1000, 1000, 1010, 2030]
    assert [len(outcome.remembered) for outcome in outcomes[:3]] == [1000, 1000, 1010]
    assert len(set(outcomes[-1].delivered)) == 1020
    assert outcomes[-1].left == {ADDRESS: []}


def test_the_first_of_two_users_is_refused(
    compare: Compare, pop3: Dovecot, product: Product, authorization_server: AuthorizationServer
) -> None:
    order = (OTHER, ADDRESS)
    assert product.login(authorization_server, OTHER).returncode == 0
    authorization_server.revoke(product.stored(OTHER)["refresh_token"])

    def scenario(way: Way, user: str) -> list[Outcome]:
        for name in order:
            fill(pop3, name, range(1, 6))
        way.configure(pop3.pop3s_port, *order, passwords=["wrong", Dovecot.password])
        return [way.run(*order)]

    [outcome] = compare(scenario, ADDRESS)
    assert len(outcome.delivered) == 5
    assert [len(outcome.left[name]) for name in order] == [5, 0]


def test_a_refusal_in_whose_text_stands_a_word_that_fetchmail_looks_for(
    compare: Compare, product: Product, pop3: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """It takes any -ERR with "lock" or "wait" in it for a maildrop that another session has, and says nothing."""

    def scenario(way: Way, user: str) -> list[Outcome]:
        if way.oauth2:
            authorization_server.revoke(product.stored(user)["refresh_token"])
        way.configure(pop3.pop3s_port, user, passwords=["wrong"])
        return [way.run(user)]

    [outcome] = compare(scenario, "waite.bullock@example.org")
    assert outcome.exit_code == 3


def test_the_authorization_server_is_down(
    compare: Compare,
    pop3: Dovecot,
    authorization_server: AuthorizationServer,
    certificates: Certificates,
    product: Product,
) -> None:
    """A passing fault to fetchmail, which takes a bare [SYS/TEMP] for a wrong password and writes a mail about it."""
    with FaultyPath(certificates, pop3) as path:

        def scenario(way: Way, user: str) -> list[Outcome]:
            fill(pop3, user, range(1, 3))
            way.configure(path.port, user)
            if way.oauth2:
                product.expire(user)
                authorization_server.fault("503")
            else:
                path.fault = Fault("PASS", "-ERR [SYS/TEMP] service unavailable")
            outcomes = [way.run(user)]
            path.fault = None
            authorization_server.fault(None)
            return [*outcomes, way.run(user)]

        first, second = compare(scenario, ADDRESS)
    assert first.exit_code == 14
    assert len(second.delivered) == 2


def test_no_server(compare: Compare, pop3: Dovecot) -> None:
    def scenario(way: Way, user: str) -> list[Outcome]:
        fill(pop3, user, range(1, 3))
        way.configure(1, user)
        return [way.run(user)]

    [outcome] = compare(scenario, ADDRESS)
    assert outcome.exit_code == 2


def test_a_daemon_across_the_end_of_tokens(
    product: Product, pop3: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """Both at the same time, on maildrops of their own, while mail comes in; each token is good for three seconds."""
    product.use(authorization_server, pop3, client=NATIVE_SHORT)
    assert product.login(authorization_server, ADDRESS).returncode == 0
    users = {"straight": OTHER, "bridged": ADDRESS}
    empty(pop3, *users.values())
    ways = {name: Way(name, product.home, product, pop3, authorization_server.ca_file) for name in users}
    tokens = set()
    found = {}
    with ExitStack() as stack:
        daemons = {}
        for name, way in ways.items():
            way.configure(pop3.pop3s_port, users[name])
            daemons[name] = stack.enter_context(way.host.daemon(1))
        for number in range(1, 13):
            for user in users.values():
                fill(pop3, user, range(number, number + 1))
            tokens.add(product.stored()["access_token"])
            time.sleep(0.7)
        deadline = time.monotonic() + 10
        while pop3.count(ADDRESS) + pop3.count(OTHER) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.2)
        for name, daemon in daemons.items():
            daemon.terminate()
            outcome = ways[name].outcome(daemon.wait(10))
            found[name] = outcome._replace(remembered=[line.split("@")[0] for line in outcome.remembered])
    assert found["bridged"] == found["straight"]
    assert [message.subject for message in found["bridged"].delivered] == sorted(f"Message {n}" for n in range(1, 13))
    assert pop3.count(ADDRESS) == 0
    assert len(tokens) >= 3, "the daemon has gone through so many"


# -- mpop, which signs in itself with what `oauth2-pop3 token` prints


class MpopWay:
    """As Way."""

    def __init__(self, mechanism: str, home: Path, product: Product, pop3: Dovecot, ca_file: Path) -> None:
        self.oauth2 = mechanism != "plain"
        self.host = Mpop(home / mechanism)
        self.said = ""
        self._mechanism = mechanism
        self._product = product
        self._pop3 = pop3
        self._ca_file = ca_file

    def configure(self, port: int, user: str, *options: str, secret: str = "") -> None:
        """secret: instead of the right password, or the command that prints a token."""
        given = secret or (f"{self._product.command} token {user}" if self.oauth2 else f"echo {Dovecot.password}")
        self.host.configure(
            f"""\
account ann
host localhost
port {port}
user {user}
auth {self._mechanism}
passwordeval "{given}"
tls on
tls_starttls off
tls_trust_file {self._ca_file}
timeout 2
{{delivery}}
"""
            + "\n".join(options)
            + "\n"
        )

    def run(self, *users: str) -> Outcome:
        """Fetch once. users: whose maildrops are looked at."""
        result = self.host.run()
        self.said += said(result)
        left = {user: self._pop3.names(user) for user in users}
        return Outcome(result.returncode, self.host.messages(), left, self.host.remembered())


MpopScenario = Callable[[MpopWay, str], list[Outcome]]
CompareMpop = Callable[..., list[Outcome]]


@pytest.fixture(params=["xoauth2", "oauthbearer"])
def compare_mpop(
    request: pytest.FixtureRequest, product: Product, pop3: Dovecot, authorization_server: AuthorizationServer
) -> CompareMpop:
    product.use(authorization_server, pop3)
    assert product.login(authorization_server, ADDRESS).returncode == 0

    def both(scenario: MpopScenario, *, alike: bool = True) -> list[Outcome]:
        found = []
        for mechanism in ("plain", request.param):
            empty(pop3, ADDRESS)
            home = product.home / f"{len(list(product.home.iterdir()))}"
            way = MpopWay(mechanism, home, product, pop3, authorization_server.ca_file)
            found.append(scenario(way, ADDRESS))
        assert not alike or found[1] == found[0], way.said
        return found[1]

    return both


@pytest.mark.parametrize("pipelining", ["on", "off"])
def test_mpop_keeps_and_deletes(pipelining: str, compare_mpop: CompareMpop, pop3: Dovecot) -> None:
    def scenario(way: MpopWay, user: str) -> list[Outcome]:
        fill(pop3, user, range(1, 201))
        way.configure(pop3.pop3s_port, user, f"pipelining {pipelining}", "keep on")
        outcomes = [way.run(user), way.run(user)]
        fill(pop3, user, range(201, 211))
        way.configure(pop3.pop3s_port, user, f"pipelining {pipelining}", "keep off")
        return [*outcomes, way.run(user), way.run(user)]

    outcomes = compare_mpop(scenario)
    assert [outcome.exit_code for outcome in outcomes] == [0] * 4
    assert [len(outcome.delivered) for outcome in outcomes] == [200, 200, 210, 210]
    assert [len(outcome.left[ADDRESS]) for outcome in outcomes] == [200, 200, 0, 0]
    assert len(set(outcomes[-1].delivered)) == 210


@pytest.mark.parametrize("fault", [Fault(SIGN_IN, "end"), Fault("RETR 1$", "end", after=20_000), Fault("QUIT", "end")])
@pytest.mark.parametrize("pipelining", ["on", "off"])
def test_mpop_meets_a_fault(
    pipelining: str, fault: Fault, compare_mpop: CompareMpop, certificates: Certificates, pop3: Dovecot
) -> None:
    """No silence: mpop 1.4.18 does not end then, whatever its `timeout`."""

    def scenario(way: MpopWay, user: str) -> list[Outcome]:
        fill(pop3, user, range(1, 9), size=6000)
        fault.seen = 0
        with FaultyPath(certificates, pop3) as path:
            path.fault = fault
            way.configure(path.port, user, f"pipelining {pipelining}")
            outcomes = [way.run(user)]
            assert fault.seen, "it has happened"
            path.fault = None
            path.release()
            return [*outcomes, way.run(user)]

    # With commands on their way, mpop dies of SIGPIPE or of an error, now at this message and now at that.
    first, second = compare_mpop(scenario, alike=pipelining == "off" or not fault.command.startswith("RETR"))
    assert first.exit_code != 0
    assert second.exit_code == 0
    assert {message.subject for message in second.delivered} == {f"Message {number}" for number in range(1, 9)}


def test_mpop_is_refused(compare_mpop: CompareMpop, product: Product, pop3: Dovecot) -> None:
    """By the server, and by us: nobody has signed in."""

    def scenario(way: MpopWay, user: str) -> list[Outcome]:
        fill(pop3, user, range(1, 3))
        way.configure(pop3.pop3s_port, user, secret="echo wrong")
        outcomes = [way.run(user)]
        nothing = f"{product.command} token {OTHER}" if way.oauth2 else "exit 77"
        way.configure(pop3.pop3s_port, user, secret=nothing)
        return [*outcomes, way.run(user)]

    assert [outcome.exit_code for outcome in compare_mpop(scenario)] == [77, 78]


# -- both


def test_a_maildrop_that_another_session_has(
    product: Product, dovecot_factory: Callable[..., Dovecot], authorization_server: AuthorizationServer
) -> None:
    """Dovecot waits for ten seconds before it says so: all at the same time, then."""
    locked = dovecot_factory(lock_session=True)
    fill(locked, ADDRESS, range(1, 4))
    product.use(authorization_server, locked)
    assert product.login(authorization_server, ADDRESS, "--no-check").returncode == 0
    common = (product.home, product, locked, authorization_server.ca_file)
    ways: list[Way | MpopWay] = [
        *(Way(name, *common) for name in ("straight", "bridged")),
        *(MpopWay(name, *common) for name in ("plain", "xoauth2")),
    ]
    for way in ways:
        way.configure(locked.pop3s_port, ADDRESS)
        way.host.rc.write_text(way.host.rc.read_text().replace("timeout 2", "timeout 20"))
    context = ssl.create_default_context(cafile=str(authorization_server.ca_file))
    client = poplib.POP3_SSL("localhost", locked.pop3s_port, context=context)
    client.user(ADDRESS)
    client.pass_(Dovecot.password)
    with ThreadPoolExecutor(4) as pool:
        fetchmail, bridged, mpop, xoauth2 = pool.map(lambda way: way.run(ADDRESS), ways)
    client.quit()
    assert bridged == fetchmail
    assert xoauth2 == mpop
    assert fetchmail.exit_code == 9
    assert len(mpop.left[ADDRESS]) == 3
