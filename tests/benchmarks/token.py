"""What `oauth2-pop3 token` costs beside bare Python and beside others' programs: ratios of one run.

::

    python tests/benchmarks/token.py [--rounds N] [--only-cold] [--json FILE] [--directory DIR]

Needs nothing but Python >= 3.11 and PyPI: it makes virtual environments of its own, in a temporary directory or in
DIR, which is kept and used again. README.md says how it measures. The exit code is 0 unless something did not work:
a figure that is missed is a figure.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path.pop(0)  # else this file would be found where the standard library looks for its own module `token`

import argparse
import datetime
import gzip
import http.client
import importlib.util
import json
import platform
import random
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from support.product import Product

TESTS = Path(__file__).resolve().parent.parent
ADDRESS, OTHER_ADDRESS = "ann@example.org", "bob@example.org"
OLD_PIP = "23.2.1"
CONTENDERS = 50
ENTRY_POINT = "oauth2-pop3-by-entry-point"
SCRIPT_OF_MUTT = (
    "usr/share/doc/mutt/examples/mutt_oauth2.py",
    "usr/share/doc/neomutt/oauth2/mutt_oauth2.py.gz",
    "usr/share/neomutt/oauth2/mutt_oauth2.py",
)

Command = list[str]
Times = dict[str, list[float]]


class FailedError(Exception):
    """Something did not work, so that its time means nothing."""


@dataclass
class Row:
    """A line of the table. ratio: to bare Python's start in the same rounds. met: None if there is no goal."""

    name: str
    milliseconds: float
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


@dataclass
class Report:
    """What is printed, and written as JSON."""

    about: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, name: str, seconds: float, bare: float | None = None, *, goal: str = "", met: bool | None = None
    ) -> None:
        self.rows.append(Row(name, seconds * 1000, seconds / bare if bare else None, goal, met))

    def markdown(self) -> str:
        lines = [", ".join(f"{key} {value}" for key, value in self.about.items()), ""]
        lines += ["| | median, ms | x bare | goal | met |", "|---|--:|--:|---|---|"]
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            met = {True: "yes", False: "**no**", None: ""}[row.met]
            lines.append(f"| {row.name} | {row.milliseconds:.2f} | {ratio} | {row.goal} | {met} |")
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


# --- running and timing


def run(*command: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
    """What a command prints. Raises FailedError, with its standard error, if it fails."""
    result = subprocess.run(command, env=env, input=stdin, capture_output=True, check=False, timeout=900)
    if result.returncode:
        said = (result.stdout + result.stderr).decode(errors="replace")[-2000:]
        raise FailedError(f"{' '.join(command)} ended with {result.returncode}:\n{said}")
    return result.stdout.decode(errors="replace")


def start(command: Command, env: Mapping[str, str], stdout: str = os.devnull) -> int:
    """Start a command by posix_spawn, which adds less of our own time than subprocess does; its process id."""
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    return os.posix_spawn(command[0], command, env, file_actions=files)


def finish(process: int, command: Command) -> None:
    _, status = os.waitpid(process, 0)
    if status:
        raise FailedError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")


def timed(command: Command, env: Mapping[str, str]) -> float:
    """Seconds from start to end."""
    began = time.perf_counter()
    finish(start(command, env), command)
    return time.perf_counter() - began


def crowd(commands: Sequence[Command], env: Mapping[str, str], outputs: Sequence[str]) -> float:
    """Seconds that commands take which are started together, until the last has ended."""
    began = time.perf_counter()
    processes = [start(command, env, output) for command, output in zip(commands, outputs, strict=True)]
    for process, command in zip(processes, commands, strict=True):
        finish(process, command)
    return time.perf_counter() - began


def interleaved(tasks: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """Times of each task, all of them in each round, in a new random order; a first round is thrown away."""
    times: Times = {name: [] for name in tasks}
    order = random.Random(1)
    for number in range(rounds + 1):
        for name in order.sample(list(tasks), len(tasks)):
            seconds = tasks[name]()
            if number:
                times[name].append(seconds)
    return times


def medians(times: Times) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in times.items()}


# --- virtual environments


class Places(NamedTuple):
    """The virtual environments, one for each thing that would change how another starts."""

    directory: Path

    def bin(self, venv: str, program: str) -> str:
        return str(self.directory / venv / "bin" / program)

    def pip(self, venv: str, *arguments: str) -> None:
        run(self.bin(venv, "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)

    def make(self) -> None:
        """Make those that are not there. The wheel is built and installed again each time."""
        wheels = self.directory / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        for venv, packages in {
            "ours": ["pip", "getmail6"],
            "old-pip": [f"pip=={OLD_PIP}"],
            "mutt": ["pip", "mutt-oauth2", "keyrings.alt"],
            "servers": ["pip", "pytest", "requests", "trustme"],
        }.items():
            if not (self.directory / venv).exists():
                say(f"making the virtual environment {venv}")
                run(sys.executable, "-m", "venv", str(self.directory / venv))
                self.pip(venv, "install", "--upgrade", *packages)
        say("building the wheel")
        self.pip("ours", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(TESTS.parent))
        wheel = str(next(wheels.glob("oauth2_pop3-*.whl")))
        stand_in = entry_point_wheel(wheels)
        self.pip("ours", "install", wheel)
        self.pip("servers", "install", f"oauth2-pop3[sandbox] @ file://{wheel}")
        for venv in ("ours", "old-pip", "servers"):  # again, for the version is the same and the content may not be
            self.pip(venv, "install", "--force-reinstall", "--no-deps", wheel, stand_in)
        for venv in ("with-pth", "without-pth"):
            if not (self.directory / venv).exists():
                run(sys.executable, "-m", "venv", "--without-pip", str(self.directory / venv))
        python = self.bin("with-pth", "python")
        self.pip("ours", "--python", python, "install", "--force-reinstall", "--no-deps", wheel)


def entry_point_wheel(directory: Path) -> str:
    """A wheel with nothing but an entry point for our main(): what the command would cost as one."""
    name, info = "entry_point_stand_in-1-py3-none-any.whl", "entry_point_stand_in-1.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: entry-point-stand-in\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{ENTRY_POINT} = oauth2_pop3.__main__:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(directory / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return str(directory / name)


def environment(home: Path) -> dict[str, str]:
    """An environment that says where home is, and nothing that changes how Python starts."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LC_CTYPE", "TMPDIR") if name in os.environ}
    places = {"CONFIG": ".config", "STATE": ".local/state", "CACHE": ".cache", "DATA": ".local/share"}
    xdg = {f"XDG_{name}_HOME": str(home / path) for name, path in places.items()}
    home.mkdir(mode=0o700, exist_ok=True)
    return {**kept, **xdg, "HOME": str(home), "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"}


# --- the others


@contextmanager
def peers(places: Places, env: dict[str, str], token: str, report: Report) -> Iterator[dict[str, Command]]:
    """Others' programs, each with a token of its own that is good for a day."""
    ends = time.time() + 86400
    data = {"access_token": token, "refresh_token": "r", "email": ADDRESS, "registration": "google"}
    getmail_file = places.directory / "getmail-token.json"
    getmail_file.write_text(json.dumps({**data, "expires_at": ends}))
    found: dict[str, Command] = {
        "getmail-gmail-xoauth-tokens": [places.bin("ours", "getmail-gmail-xoauth-tokens"), str(getmail_file)]
    }
    keep = (
        "import json, keyring, sys; from dataclasses import asdict;"
        "from mutt_oauth2.registrations import registrations;"
        "data = json.load(sys.stdin); data['registration'] = asdict(registrations.google);"
        "keyring.set_password('tatsh-mutt-oauth2', 'ann', json.dumps(data))"
    )
    env["PYTHON_KEYRING_BACKEND"] = "keyrings.alt.file.PlaintextKeyring"
    record = {**data, "client_id": "c", "client_secret": None, "access_token_expiration": ends}
    run(places.bin("mutt", "python"), "-c", keep, env=env, stdin=json.dumps(record).encode())
    found["mutt-oauth2 (PyPI, a file as keyring)"] = [places.bin("mutt", "mutt-oauth2"), "-u", "ann"]

    with ExitStack() as stack:
        source = script_of_mutt(places.directory)
        if source is None:
            report.notes.append("mutt_oauth2.py, mutt's own script, was left out: no mutt, neomutt or apt-get here.")
        else:
            python = places.bin("ours", "python")
            naive = datetime.datetime.fromtimestamp(ends).isoformat()  # local time, as the script has it
            text = json.dumps({**data, "authflow": "authcode", "access_token_expiration": naive}).encode()
            pipes: dict[str, list[str]] = {"no encryption": ["cat"]}
            if shutil.which("gpg"):
                env["GNUPGHOME"] = stack.enter_context(gpg_home(env))
                pipes["GPG"] = ["gpg", "--decrypt"]
            else:
                report.notes.append("mutt_oauth2.py with GPG was left out: no gpg here.")
            for name, pipe in pipes.items():
                script = places.directory / f"mutt_oauth2-{pipe[0]}.py"
                script.write_text(source.replace("['gpg', '--decrypt']", repr(pipe)))
                file = places.directory / f"mutt-token-{pipe[0]}"
                encrypt = ["gpg", "--batch", "--trust-model", "always", "--encrypt", "--recipient", ADDRESS]
                file.write_bytes(text if pipe == ["cat"] else piped(encrypt, text, env))
                file.chmod(0o600)
                found[f"mutt_oauth2.py (mutt's contrib, {name})"] = [python, str(script), str(file)]
        yield found


def piped(command: Command, data: bytes, env: Mapping[str, str]) -> bytes:
    return subprocess.run(command, input=data, env=env, check=True, stdout=subprocess.PIPE).stdout


@contextmanager
def gpg_home(env: Mapping[str, str]) -> Iterator[str]:
    """A GNUPGHOME with a throw-away key without a passphrase. Under /tmp: its sockets want a short path."""
    home = tempfile.mkdtemp(prefix="gpg-", dir="/tmp")
    own = {**env, "GNUPGHOME": home}
    try:
        run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", ADDRESS, "default", "default", "1d", env=own)
        yield home
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=own, check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)


def script_of_mutt(directory: Path) -> str | None:
    """mutt_oauth2.py as it is installed here, or out of Debian's package (which is not installed); None for none."""
    package = directory / "mutt"
    if not any(Path("/", path).exists() for path in SCRIPT_OF_MUTT) and shutil.which("apt-get"):
        package = directory / "debian-mutt"
        if not package.exists():
            package.mkdir()
            fetched = subprocess.run(["apt-get", "download", "mutt"], cwd=package, check=False, capture_output=True)
            for file in package.glob("*.deb") if fetched.returncode == 0 else ():
                subprocess.run(["dpkg-deb", "-x", str(file), str(package)], check=False, capture_output=True)
    for path in (root / path for root in (Path("/"), package) for path in SCRIPT_OF_MUTT):
        if path.exists():
            return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    return None


# --- an authorization server


class Server(NamedTuple):
    """An authorization server on loopback. row: for config.toml. requests: how many reached its token endpoint."""

    name: str
    row: dict[str, str]
    client_secret: str
    sign_in: Callable[[str, str], object]
    requests: Callable[[], int]


@contextmanager
def authorization_server(directory: Path) -> Iterator[Server]:
    """oidc-provider if Node.js and node_modules are there, else the sandbox's."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    from servers import programs

    if any(map(shutil.which, ("node", "nodejs"))) and programs.NODE_MODULES.is_dir():
        from servers.authorization_server import NATIVE_PUBLIC, SCOPE, AuthorizationServer
        from servers.certificates import Certificates

        with AuthorizationServer(Certificates(directory / "tls"), directory) as server:
            row = endpoints(server.issuer, "/auth", SCOPE, str(server.ca_file), NATIVE_PUBLIC.client_id)
            yield Server("oidc-provider", row, "", server.sign_in, lambda: len(server.token_requests()))
    else:
        from oauth2_pop3.sandbox import Sandbox

        with Sandbox(directory / "sandbox") as sandbox:
            own = sandbox.provider_row()
            row = endpoints(sandbox.issuer, "/authorize", own["scope"], own["ca_certs"], sandbox.client_id)
            token_requests = sandbox.authorization_server.token_requests
            yield Server(
                "the sandbox",
                row,
                sandbox.client_secret or "",
                lambda url, account: sandbox.sign_in(url, account=account),
                lambda: len(token_requests),
            )


def endpoints(issuer: str, authorization: str, scope: str, ca_certs: str, client_id: str) -> dict[str, str]:
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + authorization,
        "token_endpoint": f"{issuer}/token",
        "scope": scope,
        "ca_certs": ca_certs,
        "client_id": client_id,
    }


class SignedIn:
    """Our product at that server. The commands are those of the virtual environment `ours`."""

    def __init__(self, product: Product, server: Server) -> None:
        self.product = product
        self.server = server
        self.configure(server.row)
        for address in (ADDRESS, OTHER_ADDRESS):
            with product.login_process(address, "--no-check") as (process, url):
                server.sign_in(url, address)
                _, stderr = process.communicate(timeout=60)
            if process.returncode:
                raise FailedError(f"login ended with {process.returncode}:\n{stderr}")
        self._bare_request_token = str(product.stored(OTHER_ADDRESS)["refresh_token"])
        self._tls = ssl.create_default_context(cafile=server.row["ca_certs"])

    def configure(self, row: Mapping[str, str], *, provider_table: bool = False) -> None:
        """Write config.toml as `login` with a built-in provider leaves it: accounts, and no table of the provider.

        The accounts' keys lead to the server. With provider_table it is as people have it whose provider is not
        built in.
        """
        from support.product import BUILT_IN

        secret = {"client_secret": self.server.client_secret, "client_secret_policy": "optional"}
        values = {**row, **(secret if self.server.client_secret else {}), "pop3_host": "localhost"}
        keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        name, of_account = ("example", "") if provider_table else (BUILT_IN, keys)
        accounts = [f'[accounts."{address}"]\nprovider = "{name}"\n' for address in (ADDRESS, OTHER_ADDRESS)]
        tables = [f"[providers.example]\n{keys}"] if provider_table else []
        self.product.configure("".join(tables + [account + of_account for account in accounts]))

    def cold(self, env: Mapping[str, str]) -> float:
        """Seconds of one `token` that has to refresh."""
        self.product.expire(ADDRESS)
        before = self.server.requests()
        seconds = timed([self.product.command, "token", ADDRESS], env)
        if self.server.requests() - before != 1:
            raise FailedError("a cold `token` made other than one token request")
        return seconds

    def with_provider_table(self, env: Mapping[str, str]) -> float:
        """The same if config.toml describes the provider."""
        self.configure(self.server.row, provider_table=True)
        try:
            return self.cold(env)
        finally:
            self.configure(self.server.row)

    def without_endpoints(self, env: Mapping[str, str]) -> float:
        """The same if the metadata has to be asked for first."""
        row = {key: value for key, value in self.server.row.items() if not key.endswith("_endpoint")}
        self.configure(row, provider_table=True)  # else the built-in provider's would be asked
        try:
            return self.cold(env)
        finally:
            self.configure(self.server.row)

    def bare_request(self) -> float:
        """Seconds of only the token request: connection, TLS handshake, and the server's own time."""
        url = urlsplit(self.server.row["token_endpoint"])
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._bare_request_token,
            "client_id": self.server.row["client_id"],
            **({"client_secret": self.server.client_secret} if self.server.client_secret else {}),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        began = time.perf_counter()
        connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=self._tls, timeout=30)
        connection.request("POST", url.path, urlencode(form), headers)
        response = json.loads(connection.getresponse().read())
        connection.close()
        seconds = time.perf_counter() - began
        if "access_token" not in response:
            raise FailedError(f"the token request alone was refused: {response.get('error')}")
        self._bare_request_token = response.get("refresh_token", self._bare_request_token)
        return seconds

    def contend(self, env: Mapping[str, str], directory: Path) -> float:
        """Seconds of fifty `token` that need the same new one."""
        self.product.expire(ADDRESS)
        old = self.product.stored(ADDRESS)["access_token"]
        before = self.server.requests()
        outputs = [str(directory / f"contender-{number}") for number in range(CONTENDERS)]
        seconds = crowd([[self.product.command, "token", ADDRESS]] * CONTENDERS, env, outputs)
        printed = {Path(output).read_text() for output in outputs}
        new = self.product.stored(ADDRESS)["access_token"]
        if printed != {f"{new}\n"} or new == old:
            raise FailedError(f"fifty contenders printed {len(printed)} different tokens")
        if self.server.requests() - before != 1:
            raise FailedError(f"fifty contenders made {self.server.requests() - before} token requests")
        return seconds


# --- what is measured


def measure_warm(places: Places, signed_in: SignedIn, env: dict[str, str], rounds: int, report: Report) -> None:
    token = signed_in.product.token(ADDRESS)
    bare = [places.bin("ours", "python"), "-c", "pass"]
    ours: dict[str, Command] = {
        "`oauth2-pop3 token` (current pip)": [places.bin("ours", "oauth2-pop3"), "token", ADDRESS],
        f"`oauth2-pop3 token` (pip {OLD_PIP})": [places.bin("old-pip", "oauth2-pop3"), "token", ADDRESS],
        "`python -m oauth2_pop3 token`": [places.bin("ours", "python"), "-m", "oauth2_pop3", "token", ADDRESS],
    }
    instead: dict[str, Command] = {
        "as an entry point, current pip (not shipped)": [places.bin("ours", ENTRY_POINT), "token", ADDRESS],
        f"as an entry point, pip {OLD_PIP} (not shipped)": [places.bin("old-pip", ENTRY_POINT), "token", ADDRESS],
    }
    warm, *_ = ours
    with peers(places, env, token, report) as others:
        for name, command in {**ours, **instead, **others}.items():
            if run(*command, env=env) != f"{token}\n":
                raise FailedError(f"{name} does not print the token and a newline")
        commands = {"bare": bare, **ours, **instead, **others}
        tasks = {name: lambda command=command: timed(command, env) for name, command in commands.items()}
        found = medians(interleaved(tasks, rounds))
    report.add("`python -c pass`, bare", found["bare"], found["bare"])
    for name in ours:
        ratio = found[name] / found["bare"]
        goal = ("≤ 1.1 x bare", ratio <= 1.1) if "python -m" not in name else ("", None)
        report.add(name, found[name], found["bare"], goal=goal[0], met=goal[1])
    for name in instead:
        report.add(name, found[name], found["bare"])
    for name in others:
        times = found[name] / found[warm]
        report.add(name, found[name], found["bare"], goal=f"≥ 5 x warm (is {times:.1f})", met=times >= 5)
    scripts = [Path(places.bin(venv, "oauth2-pop3")).read_text().split("\n", 1)[1] for venv in ("ours", "old-pip")]
    if scripts[0] != scripts[1]:
        raise FailedError("the two versions of pip installed different commands")
    report.notes.append(f"The command that current pip and pip {OLD_PIP} install is the same but for its first line.")


def measure_cold(places: Places, signed_in: SignedIn, env: Mapping[str, str], rounds: int, report: Report) -> None:
    bare = [places.bin("ours", "python"), "-c", "pass"]
    by = signed_in.server.name
    tasks = {
        "bare": lambda: timed(bare, env),
        "cold": lambda: signed_in.cold(env),
        "table": lambda: signed_in.with_provider_table(env),
        "metadata": lambda: signed_in.without_endpoints(env),
        "request": signed_in.bare_request,
    }
    interleaved(tasks, 3)  # Node.js is slow at first
    found = medians(interleaved(tasks, rounds))
    ratio = found["cold"] / found["bare"]
    report.add(f"cold `token`, one refresh at {by}", found["cold"], found["bare"], goal="< 25 x bare", met=ratio < 25)
    report.add("the same with a [providers.X] table in config.toml", found["table"], found["bare"])
    report.add("of that, the HTTPS request and the server's time", found["request"], found["bare"])
    report.add("with that table, and a request for the issuer's metadata", found["metadata"], found["bare"])

    outputs = [os.devnull] * CONTENDERS
    crowds = {
        "bare": lambda: crowd([bare] * CONTENDERS, env, outputs),
        "ours": lambda: signed_in.contend(env, places.directory),
        "cold": lambda: signed_in.cold(env),
    }
    fifty = medians(interleaved(crowds, max(5, rounds // 4)))
    times = fifty["ours"] / fifty["cold"]
    crowded = f"{CONTENDERS} bare starts at once ({fifty['bare'] / fifty['cold']:.2f} x cold)"
    report.add(crowded, fifty["bare"], found["bare"])
    report.add(
        f"{CONTENDERS} contenders, one token request ({fifty['ours'] / fifty['bare']:.2f} x {CONTENDERS} bare starts)",
        fifty["ours"],
        found["bare"],
        goal=f"≤ 3 x cold (is {times:.2f})",
        met=times <= 3,
    )


def measure_pth(places: Places, env: Mapping[str, str], rounds: int, report: Report) -> None:
    commands = {venv: [places.bin(venv, "python"), "-c", "pass"] for venv in ("without-pth", "with-pth")}
    tasks = {venv: lambda command=command: timed(command, env) for venv, command in commands.items()}
    times = interleaved(tasks, rounds * 10)
    added = statistics.median(
        after - before for before, after in zip(times["without-pth"], times["with-pth"], strict=True)
    )
    for venv, seconds in medians(times).items():
        report.add(f"`python -c pass`, {venv.replace('-pth', '')} our .pth", seconds)
    report.add("what the .pth adds to a start", added, goal="≤ 1 ms", met=added <= 0.001)


def say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def measure(places: Places, rounds: int, json_file: Path | None, *, only_cold: bool) -> None:
    """Everything, by the Python of the virtual environment `servers`, which has what tests/servers imports."""
    sys.path.insert(0, str(TESTS))
    from support.product import Product

    home = places.directory / "home"
    shutil.rmtree(home, ignore_errors=True)
    env = environment(home)
    os.environ.clear()
    os.environ.update(env)
    pip_version = run(places.bin("ours", "python"), "-c", "import importlib.metadata as m; print(m.version('pip'))")
    about = {"Python": platform.python_version(), "pip": pip_version.strip(), "CPUs": str(os.cpu_count())}
    report = Report({**about, "rounds": str(rounds), "load": f"{os.getloadavg()[0]:.1f}"})
    product = Product(home)
    product.command = places.bin("ours", "oauth2-pop3")
    with authorization_server(places.directory / "authorization-server") as server:
        signed_in = SignedIn(product, server)
        if not only_cold:
            say("warm")
            measure_warm(places, signed_in, env, rounds, report)
        say("cold")
        measure_cold(places, signed_in, env, rounds, report)
    if not only_cold:
        say(".pth")
        measure_pth(places, env, rounds, report)
    print(report.markdown())
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="What `oauth2-pop3 token` costs, as ratios of one run.")
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="default: %(default)s; .pth: 10 N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="keep the virtual environments there")
    parser.add_argument("--only-cold", action="store_true", help="nothing but the rows of a `token` that refreshes")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("ensurepip") is None:
        print("token.py needs virtual environments: apt-get install python3-venv", file=sys.stderr)
        return 2
    try:
        if options.inside:
            measure(Places(options.inside), options.rounds, options.json, only_cold=options.only_cold)
            return 0
        with ExitStack() as stack:
            directory = options.directory or stack.enter_context(tempfile.TemporaryDirectory(prefix="token-benchmark-"))
            places = Places(Path(directory).resolve())
            places.directory.mkdir(parents=True, exist_ok=True)
            places.make()
            again = [places.bin("servers", "python"), __file__, "--inside", str(places.directory)]
            more = ["--json", str(options.json.resolve())] if options.json else []
            more += ["--only-cold"] if options.only_cold else []
            return subprocess.run([*again, "--rounds", str(options.rounds), *more], check=False).returncode
    except FailedError as error:
        print(f"token.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
