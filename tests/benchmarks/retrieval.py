"""What retrieving mail costs beside others' programs, on loopback and with a round trip: ratios of one run.

::

    python tests/benchmarks/retrieval.py [--rounds N] [--messages N] [--only WORD ...] [--json FILE] [--svg FILE]

By the interpreter of a virtual environment that has this project with `[test]`, as `sh tests/run.sh` makes it; needs
Dovecot, Node.js, mpop, maildrop and fetchmail. README.md says how it measures. The exit code is 0 unless
something did not work, 2 if something is not installed: a figure that is missed is a figure.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path.pop(0)  # else token.py would be found where the standard library looks for its own
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import argparse
import json
import math
import platform
import poplib
import random
import shutil
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import needs

try:
    from benchmarks.delay import delayed
    from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
    from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
    from oauth2_pop3.retrieval.retrieval import Retrieval
    from servers import programs
    from servers.authorization_server import AuthorizationServer
    from servers.certificates import Certificates
    from servers.dovecot import Dovecot, message
    from support.product import Getmail, Product
except ModuleNotFoundError as error:
    needs.environment(str(error.name))

Task = Callable[[], float]
HERE = Path(__file__).resolve().parent
WRAPPER = """\
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
usage = os.wait4(pid, 0)[2]
open(sys.argv[1] + ".new", "w").write(str(usage.ru_maxrss))
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""
"""Runs a command and writes down its peak of memory, in KiB."""


class FailedError(Exception):
    """Something did not do what it was measured for."""


@dataclass
class Row:
    what: str
    peer: str
    ours: float
    peers: float
    ratio: float
    goal: str
    met: bool | None


@dataclass
class Report:
    about: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    growth: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, what: str, peer: str, ours: float, peers: float, *, most: float = 0, least: float = 0) -> None:
        """most: the goal for ours over the peer's; least: for the peer's over ours."""
        ratio = peers / ours if least else ours / peers
        met = ratio >= least if least else ratio <= most if most else None
        goal = f"≥ {least:g}" if least else f"≤ {most:g}" if most else ""
        self.rows.append(Row(what, peer, ours, peers, ratio, goal, met))
        say(self.line(self.rows[-1]))

    @staticmethod
    def line(row: Row) -> str:
        met = "" if row.met is None else "yes" if row.met else "**no**"
        return f"| {row.what} | {row.peer} | {row.ours:.3f} | {row.peers:.3f} | {row.ratio:.2f} | {row.goal} | {met} |"

    def markdown(self) -> str:
        about = ", ".join(f"{key} {value}" for key, value in self.about.items())
        head = "| | peer | ours | peer's | ratio | goal | met |\n|---|---|---|---|---|---|---|"
        lines = [about, "", head, *map(self.line, self.rows)]
        for name, points in self.growth.items():
            lines += ["", f"{name}: " + ", ".join(f"{n}: {seconds:.2f} s" for n, seconds in points)]
        return "\n".join(lines)


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def interleaved(tasks: dict[str, Task], rounds: int) -> dict[str, float]:
    """Medians; every round runs all, in a new random order, and the first one is thrown away."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name in random.sample(list(tasks), len(tasks)):
            seconds = tasks[name]()
            if number or not rounds:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def timed(command: list[str], log: Path) -> tuple[float, float]:
    """Seconds, and the peak memory in MiB of the largest process; fails if the command does."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise FailedError(f"{command} ended with {status}:\n{log.read_text()[-2000:]}")
    return seconds, usage.ru_maxrss / 1024


class Bench:
    """The servers, an account for each maildrop, and the programs."""

    def __init__(
        self, directory: Path, rounds: int, certificates: Certificates, dovecot: Dovecot, server: AuthorizationServer
    ) -> None:
        self.directory, self.rounds = directory, rounds
        self.certificates, self.dovecot, self.server = certificates, dovecot, server
        self.log = directory / "log"
        self.product = Product(directory / "home")
        self.addresses: list[str] = []
        self.homes = self.maildirs = 0

    def maildrop(self, name: str, sizes: list[int]) -> str:
        """Fill one and sign in to it; returns its address."""
        address = f"{name}@example.org"
        for number, size in enumerate(sizes):
            self.dovecot.deliver(address, message(number, address, size), number)
        self.addresses.append(address)
        self.product.use_built_in(self.server, self.dovecot, *self.addresses)
        result = self.product.login(self.server, address)
        if result.returncode:
            raise FailedError(result.stderr)
        (self.directory / address).write_text(self.product.token(address) + "\n")
        return address

    @contextmanager
    def port(self, round_trip: float, *, pipelining: bool = True) -> Iterator[int]:
        if not round_trip:
            yield self.dovecot.pop3s_port
            return
        files = (self.certificates.pem(), self.certificates.key(), self.certificates.ca_file)
        certificate = None if pipelining else (str(files[0]), str(files[1]), str(files[2]))
        with delayed(self.dovecot.pop3s_port, round_trip, certificate) as port:
            yield port

    # -- programs, each as a task that fetches everything

    def poplib(self, address: str, port: int, context: ssl.SSLContext | None) -> Task:
        def task() -> float:
            pop = poplib.POP3_SSL("localhost", port, context=context) if context else poplib.POP3("127.0.0.1", port)
            pop.user(address)
            pop.pass_(self.dovecot.password)
            count = len(pop.list()[1])
            began = time.perf_counter()
            for number in range(1, count + 1):
                pop.retr(number)
            seconds = time.perf_counter() - began
            pop.quit()
            return seconds

        return task

    def reading(self, address: str, port: int, tls: bool) -> Task:
        token = (self.directory / address).read_text().strip()
        ca_certs = str(self.certificates.ca_file)
        server = MaildropServer(host="localhost", port=port, allow_insecure_loopback=not tls, ca_certs=ca_certs)

        def task() -> float:
            run = Retrieval(lambda: open_maildrop(server, address, lambda _: token), read_ahead=ReadAheadLimits())
            order = [listed.unique_id for listed in run.listing()[0]]
            run.expect(order)
            began = time.perf_counter()
            for unique_id in order:
                run.fetch(unique_id)
            seconds = time.perf_counter() - began
            run.finish()
            return seconds

        return task

    def maildir(self, name: str) -> Path:
        """A new one each time, and none is deleted: ext4 takes no inode again for a minute, and is slower meanwhile."""
        self.maildirs += 1
        path = self.directory / "maildirs" / f"{name}-{self.maildirs}"
        for folder in ("cur", "new", "tmp"):
            (path / folder).mkdir(parents=True)
        return path

    def forget(self, getmail: Getmail) -> None:
        """Put what was delivered aside, and the memory of it."""
        self.maildirs += 1
        new = getmail.maildir / "new"
        owner = new.stat()
        new.rename(getmail.maildir.parent / f"new-{self.maildirs}")
        new.mkdir()
        os.chown(new, owner.st_uid, owner.st_gid)
        for path in getmail.directory.glob("oldmail-*"):
            path.unlink()

    def alone(self, address: str, port: int, count: int, *, start: bool = False, threads: int = 1) -> Task:
        """start: with that of the interpreter. threads: 2 has one that delivers."""

        def task() -> float:
            path = self.maildir("alone")
            arguments = [str(port), address, str(self.directory / address), str(self.certificates.ca_file), str(path)]
            program = [sys.executable, str(HERE / "maildir_session.py")]
            seconds, _ = timed([*program, *arguments, str(threads)], self.log)
            seconds = seconds if start else float(self.log.read_text())
            return self.checked(seconds, len(list((path / "new").iterdir())), count)

        return task

    def mpop(self, address: str, port: int, count: int) -> Task:
        program, rc, seen = programs.find("mpop"), self.directory / "mpoprc", self.directory / "uidls"

        def task() -> float:
            path = self.maildir("mpop")
            seen.unlink(missing_ok=True)
            rc.write_text(
                f"account a\nhost localhost\nport {port}\ntls on\ntls_starttls off\n"
                f"tls_trust_file {self.certificates.ca_file}\nauth xoauth2\nuser {address}\n"
                f'passwordeval "cat {self.directory / address}"\nkeep on\nuidls_file {seen}\ndelivery maildir {path}\n'
            )
            rc.chmod(0o600)
            seconds, _ = timed([program, "-q", "-C", str(rc), "a"], self.log)
            return self.checked(seconds, len(list((path / "new").iterdir())), count)

        return task

    def getmail(
        self,
        address: str,
        port: int,
        count: int,
        *,
        stock: bool,
        poll: bool = False,
        memory: bool = False,
        mda: bool = False,
    ) -> Task:
        """poll: nothing is new. memory: MiB instead of seconds. mda: a program delivers, as most people have it."""
        self.homes += 1
        home = self.directory / f"getmail-{self.homes}"
        home.mkdir()
        getmail = Getmail(home)
        kind, more = ("SimplePOP3SSLRetriever", f"password = {self.dovecot.password}") if stock else ("oauth2-pop3", "")
        getmail.configure(
            f"type = {kind}\nserver = localhost\nport = {port}\nusername = {address}\n{more}\ntimeout = 100",
            destination=self.delivering(getmail) if mda else "",
        )
        command = [*getmail.command, "--getmaildir", str(getmail.directory), "--rcfile", "getmailrc"]
        if poll:
            seen = self.product.home / "seen"
            if not seen.exists():
                timed(command, self.log)
                shutil.copy(next(getmail.directory.glob("oldmail-*")), seen)
            shutil.copy(seen, getmail.directory / f"oldmail-localhost-{port}-{address}")

        def task() -> float:
            if not poll:
                self.forget(getmail)
            seconds, peak = timed(command, self.log)
            if f"{0 if poll else count} messages" not in self.log.read_text():
                raise FailedError(self.log.read_text()[-1000:])
            return peak if memory else seconds

        return task

    @staticmethod
    def delivering(getmail: Getmail) -> str:
        """A destination: maildrop, which puts each message into getmail's Maildir."""
        recipe = getmail.maildir.parent / "recipe"
        recipe.write_text(f'to "{getmail.maildir}"\n')
        owner = getmail.maildir.stat()
        os.chown(recipe, owner.st_uid, owner.st_gid)
        recipe.chmod(0o600)
        user = "user = nobody\ngroup = nogroup\n" if os.geteuid() == 0 else ""
        return f'type = MDA_external\npath = {programs.find("maildrop")}\narguments = ("{recipe}",)\n{user}'

    def fetchmail(self, address: str, port: int, count: int, *, bridge: bool, before: str = "") -> Task:
        rc, box = self.directory / f"fetchmailrc-{bridge}", self.directory / f"bsmtp-{bridge}"
        command = f"{Path(sys.executable).with_name('oauth2-pop3')} bridge --ca-certs {self.certificates.ca_file}"
        plugin = f'plugin "{before}{command} localhost {port}"' if bridge else ""
        tls = "sslproto ''" if bridge else f'ssl sslcertck sslcertfile "{self.certificates.ca_file}"'
        rc.write_text(
            f"poll localhost proto pop3 service {port} no dns auth password {plugin}\n"
            f'  user "{address}" there password "{self.dovecot.password}" {tls} keep fetchall bsmtp "{box}"\n'
        )
        rc.chmod(0o700)
        files = ["--pidfile", f"{rc}.pid", "--idfile", f"{rc}.ids"]

        def task() -> float:
            box.unlink(missing_ok=True)
            seconds, _ = timed([programs.find("fetchmail"), "-f", str(rc), *files, "--nosyslog"], self.log)
            return self.checked(seconds, box.read_bytes().count(b"MAIL FROM"), count)

        return task

    def peak_of_bridge(self, address: str, port: int, count: int) -> float:
        """MiB."""
        peak, wrapper = self.directory / "peak", self.directory / "wrapper.py"
        wrapper.write_text(WRAPPER)
        self.fetchmail(address, port, count, bridge=True, before=f"{sys.executable} {wrapper} {peak} ")()
        return read_peak(peak)

    @staticmethod
    def checked(seconds: float, delivered: int, count: int) -> float:
        if delivered != count:
            raise FailedError(f"{delivered} messages were delivered, not {count}")
        return seconds


def read_peak(path: Path) -> float:
    """MiB, as WRAPPER has written them; fetchmail does not wait for its plugin to end."""
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    mebibytes = int(path.read_text()) / 1024
    path.unlink()
    return mebibytes


def sizes(count: int) -> list[int]:
    """Octets of messages: log-normal, the median 5 kB."""
    numbers = random.Random(6)
    return [int(min(300_000, max(400, numbers.lognormvariate(math.log(5000), 1)))) for _ in range(count)]


def measure(bench: Bench, report: Report, count: int, only: list[str], growth: list[int]) -> None:
    def wanted(what: str) -> bool:
        return not only or any(word in what for word in only)

    def pair(tasks: tuple[Task, Task], rounds: int = 0) -> tuple[float, float]:
        found = interleaved({"ours": tasks[0], "peer": tasks[1]}, rounds or bench.rounds)
        return found["ours"], found["peer"]

    address = bench.maildrop("thousand", sizes(count))
    context = ssl.create_default_context(cafile=str(bench.certificates.ca_file))
    for name, port, tls, least in (
        ("plain", bench.dovecot.pop3_port, None, 4),
        ("TLS", bench.dovecot.pop3s_port, context, 3),
    ):
        if wanted("reading"):
            both = pair((bench.reading(address, port, tls is not None), bench.poplib(address, port, tls)))
            report.add(f"reading alone, loopback, {name}", "poplib", *both, least=least)
    for milliseconds in (0, 20, 40, 100):
        if wanted("session"):
            with bench.port(milliseconds / 1000) as port:
                tasks_of = {"alone": bench.alone(address, port, count), "peer": bench.mpop(address, port, count)}
                tasks_of["start"] = bench.alone(address, port, count, start=True)
                tasks_of["threads"] = bench.alone(address, port, count, threads=2)
                found = interleaved(tasks_of, bench.rounds)
            what = f"session alone to a Maildir, {milliseconds} ms"
            report.add(what, "mpop", found["alone"], found["peer"], most=1.0)
            report.add(f"{what}, with Python's start", "mpop", found["start"], found["peer"], most=1.0)
            report.add(f"{what}, a thread delivers", "mpop", found["threads"], found["peer"], most=1.0)
    few = max(1, bench.rounds // 2)
    for milliseconds, pipelining, mda, most in (
        (0, True, False, 1.0),
        (40, True, False, 0.25),
        (40, False, False, 0.78),
        (40, False, True, 0.78),
    ):
        if wanted("getmail"):
            with bench.port(milliseconds / 1000, pipelining=pipelining) as port:
                tasks = [bench.getmail(address, port, count, stock=stock, mda=mda) for stock in (False, True)]
                both = pair((tasks[0], tasks[1]), few)
            what = f"getmail with us, {milliseconds} ms" + ("" if pipelining else ", no PIPELINING")
            report.add(what + (", maildrop delivers" if mda else ""), "stock getmail", *both, most=most)
    if wanted("poll"):
        seen = bench.maildrop("seen", [600] * 2000)
        for milliseconds, most in ((0, 1.0), (40, 0.8)):
            with bench.port(milliseconds / 1000) as port:
                tasks = [bench.getmail(seen, port, 2000, stock=stock, poll=True) for stock in (False, True)]
                both = pair((tasks[0], tasks[1]), bench.rounds * 2)
            report.add(f"a poll with nothing new among 2,000, {milliseconds} ms", "stock getmail", *both, most=most)
    if wanted("fetchmail"):
        with bench.port(0.02) as port:
            tasks = [bench.fetchmail(address, port, count, bridge=bridge) for bridge in (True, False)]
            both = pair((tasks[0], tasks[1]), 1)
        report.add("fetchmail through the bridge, 20 ms", "fetchmail", *both, most=0.1)
    if wanted("50 MB"):
        large = bench.maildrop("large", [50_000_000])
        port = bench.dovecot.pop3s_port
        for what, memory, most in (("seconds", False, 0.8), ("MiB at the peak", True, 0.45)):
            tasks = [bench.getmail(large, port, 1, stock=stock, memory=memory) for stock in (False, True)]
            report.add(f"getmail with us, 50 MB: {what}", "stock getmail", *pair((tasks[0], tasks[1]), few), most=most)
        peak = bench.peak_of_bridge(large, port, 1)
        report.add("the bridge, 50 MB: MiB at the peak", "(the goal: 40)", peak, 40, most=1.0)
    for number in growth:
        grown = bench.maildrop(f"grown-{number}", sizes(number))
        with bench.port(0.04) as port:
            growing = {
                "session alone, 40 ms": bench.alone(grown, port, number),
                "mpop, 40 ms": bench.mpop(grown, port, number),
            }
            for name, task in growing.items():
                report.growth.setdefault(name, []).append((number, task()))
                say(f"{name}: {report.growth[name][-1]}")
        whole = bench.getmail(grown, bench.dovecot.pop3s_port, number, stock=False)
        report.growth.setdefault("getmail with us, loopback", []).append((number, whole()))


def svg(report: Report) -> str:
    """Each ratio as a bar beside its goal, and below them how the time grows, both axes logarithmic."""
    parts, y = [], 24
    for row in report.rows:
        value, colour = min(row.ratio, 6.0), "#2a7" if row.met else "#c52"
        parts.append(f'<text x="8" y="{y + 11}">{row.what}, {row.peer}</text>')
        parts.append(f'<rect x="480" y="{y}" width="{value * 60:.1f}" height="14" fill="{colour}"/>')
        parts.append(f'<text x="{486 + value * 60:.1f}" y="{y + 11}">{row.ratio:.2f} ({row.goal})</text>')
        y += 22
    points = [point for line in report.growth.values() for point in line]
    if points:
        left, top, width, height = 60, y + 20, 640, 240
        x0, x1 = math.log(min(n for n, _ in points)), math.log(max(n for n, _ in points)) or 1
        y0, y1 = math.log(min(s for _, s in points)), math.log(max(s for _, s in points))
        for (name, line), colour in zip(report.growth.items(), ("#2a7", "#c52", "#36b"), strict=False):
            at = [
                (
                    left + width * (math.log(n) - x0) / ((x1 - x0) or 1),
                    top + height * (1 - (math.log(s) - y0) / ((y1 - y0) or 1)),
                    n,
                    s,
                )
                for n, s in line
            ]
            path = " ".join(f"{x:.1f},{v:.1f}" for x, v, _, _ in at)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<text x="{x:.1f}" y="{v - 4:.1f}" fill="{colour}">{n}: {s:.2f} s</text>' for x, v, n, s in at]
            parts.append(f'<text x="{at[-1][0] - 40:.1f}" y="{at[-1][1] + 14:.1f}" fill="{colour}">{name}</text>')
        y = top + height + 20
    style = "<style>text{font:12px sans-serif}</style>"
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="940" height="{y + 10}">{style}\n{body}\n</svg>\n'


def bench_directory(directory: Path) -> Path:
    """Where the authorization server keeps its files."""
    path = directory / "authorization-server"
    path.mkdir()
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description="What retrieving mail costs, as ratios of one run.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--messages", type=int, default=1000, metavar="N", help="default: %(default)s")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="reading session getmail poll fetchmail")
    parser.add_argument("--growth", nargs="*", type=int, default=[], metavar="N", help="e.g. 100 1000 10000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a plot there")
    options = parser.parse_args()
    about = {"Python": platform.python_version(), "CPUs": str(os.cpu_count()), "messages": str(options.messages)}
    rows_of = {"mpop": "session", "maildrop": "getmail", "fetchmail": "fetchmail 50 MB"}
    others = [program for program, rows in rows_of.items() if any(word in rows for word in options.only or rows)]
    needs.programs("getmail", "dovecot", "node", *others)
    report = Report({**about, "rounds": str(options.rounds), "load": f"{os.getloadavg()[0]:.1f}"})
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="retrieval-benchmark-")))
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
            path = (
                directory
                / "home"
                / {"HOME": "", "XDG_CONFIG_HOME": ".config"}.get(name, f".local/{name[4:-5].lower()}")
            )
            os.environ[name] = str(path)
        os.environ["XDG_STATE_HOME"] = str(directory / "home/.local/state")
        for path in (directory / "home/.config", directory / "home/.local/state"):
            path.mkdir(parents=True, mode=0o700)
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), programs.SEARCH_PATH])
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pip has compiled what people run
        certificates = Certificates(directory / "certificates")
        server = stack.enter_context(AuthorizationServer(certificates, bench_directory(directory)))
        dovecot = stack.enter_context(Dovecot(certificates, server))
        try:
            bench = Bench(directory, options.rounds, certificates, dovecot, server)
            measure(bench, report, options.messages, options.only, options.growth)
        except FailedError as error:
            print(f"retrieval.py: {error}", file=sys.stderr)
            return 1
    print(report.markdown())
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n")
    if options.svg:
        options.svg.write_text(svg(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
