"""What the bridge costs fetchmail: seconds and memory beside fetchmail without it, and beside emailproxy; one run.

::

    python tests/benchmarks/bridge.py [--rounds N] [--messages N]

By the interpreter of a virtual environment that has this project with `[test]`; needs Dovecot, Node.js, fetchmail,
maildrop, socat and openssl, and PyPI for emailproxy. README.md says how it measures. The exit code is 0 unless
something did not work, 2 if something is not installed.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path.pop(0)  # else token.py would be found where the standard library looks for its own
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import argparse
import poplib
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import needs

try:
    from benchmarks.delay import delayed
    from benchmarks.retrieval import WRAPPER, FailedError, bench_directory, interleaved, read_peak, sizes, timed
    from servers import programs
    from servers.authorization_server import NATIVE_PUBLIC, SCOPE, AuthorizationServer
    from servers.certificates import Certificates
    from servers.dovecot import Dovecot, message
    from support.product import Product
except ModuleNotFoundError as error:
    needs.environment(str(error.name))

ADDRESS = "ann@example.org"
LARGE = 50_000_000


class Fetching:
    """fetchmail in front of the servers, in several ways. mebibytes: the last run's peak of what is in between."""

    def __init__(self, directory: Path, product: Product, server: AuthorizationServer, dovecot: Dovecot) -> None:
        self.directory, self.product, self.server, self.dovecot = directory, product, server, dovecot
        self.wrapper = directory / "wrapper.py"
        self.wrapper.write_text(WRAPPER)
        self.mebibytes = 0.0

    def fill(self, octets: list[int]) -> None:
        self.dovecot.clear(ADDRESS)
        for number, size in enumerate(octets):
            self.dovecot.deliver(ADDRESS, message(number, ADDRESS, size), number)
        self.octets, self.count = octets, len(octets)

    def task(self, name: str, poll: str, user: str, *, mda: bool = False, keep: bool = True) -> Callable[[], float]:
        """Fetch everything, into one file or, with mda, by a process for each message, as most people have it."""
        rc, box, maildir = (self.directory / f"{kind}-{name}" for kind in ("rc", "batch", "maildir"))
        deliver = f'bsmtp "{box}"'
        if mda:
            for folder in ("cur", "new", "tmp"):
                (maildir / folder).mkdir(parents=True, exist_ok=True)
            recipe = self.directory / f"maildrop-{name}"
            recipe.write_text(f'to "{maildir}"\n')
            recipe.chmod(0o600)
            deliver = f'mda "{programs.find("maildrop")} {recipe}"'
        rc.write_text(
            f'poll localhost proto pop3 no dns {poll}\n  user "{ADDRESS}" there {user} {"keep " * keep}{deliver}\n'
        )
        rc.chmod(0o600)
        files = ["--pidfile", f"{rc}.pid", "--idfile", f"{rc}.ids", "--nosyslog"]
        command = [programs.find("fetchmail"), "-f", str(rc), *files]

        def run() -> float:
            if not keep:
                self.fill(self.octets)
            for path in (box, Path(f"{rc}.ids")):
                path.unlink(missing_ok=True)
            before = len(os.listdir(maildir / "new")) if mda else 0
            seconds, _ = timed(command, self.directory / "log")
            delivered = len(os.listdir(maildir / "new")) - before if mda else box.read_bytes().count(b"MAIL FROM")
            if delivered != self.count:
                raise FailedError(f"{delivered} messages were delivered, not {self.count}")
            return seconds

        return run

    def straight(self, *, port: int = 0, mda: bool = False, keep: bool = True) -> Callable[[], float]:
        tls = f'ssl sslcertck sslcertfile "{self.server.ca_file}" password "{self.dovecot.password}"'
        return self.task("straight", f"port {port or self.dovecot.pop3s_port} auth password", tls, mda=mda, keep=keep)

    def plain(self) -> Callable[[], float]:
        user = f"sslproto '' password \"{self.dovecot.password}\""
        return self.task("plain", f"port {self.dovecot.pop3_port} auth password", user)

    def plugin(self, name: str, command: str, *, mda: bool = False, keep: bool = True) -> Callable[[], float]:
        """By way of a command that is the connection."""
        user = f"sslproto '' password \"{self.dovecot.password}\""
        return self.task(name, f'plugin "{command}" auth password', user, mda=mda, keep=keep)

    def bridge(self, *, port: int = 0, mda: bool = False, keep: bool = True, before: str = "") -> Callable[[], float]:
        there = f"localhost {port or self.dovecot.pop3s_port} --ca-certs {self.server.ca_file}"
        return self.plugin("bridge", f"{before}{self.product.command} bridge {there}", mda=mda, keep=keep)

    def peak_of_bridge(self) -> float:
        peak = self.directory / "peak"
        self.bridge(before=f"{sys.executable} {self.wrapper} {peak} ")()
        return read_peak(peak)


@contextmanager
def emailproxy(fetching: Fetching, directory: Path) -> Iterator[tuple[Callable[[], float], int]]:
    """The peer: a proxy that runs all the time; fetchmail by way of it, and its process."""
    venv = directory / "emailproxy"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    install = [str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", "emailproxy"]
    if subprocess.run(install, check=False).returncode:
        raise FailedError("needs emailproxy, and the package index cannot be reached")
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ports.append(listener.getsockname()[1])
    server = fetching.server
    config, log = directory / "emailproxy.config", directory / "emailproxy.log"
    config.write_text(
        f"[Server setup]\n[POP-{ports[0]}]\nserver_address = localhost\nserver_port = {fetching.dovecot.pop3s_port}\n"
        f"local_address = 127.0.0.1\n[Account setup]\n[{ADDRESS}]\npermission_url = {server.issuer}/auth\n"
        f"token_url = {server.issuer}/token\noauth2_scope = {SCOPE}\nredirect_uri = http://localhost:{ports[1]}\n"
        f"client_id = {NATIVE_PUBLIC.client_id}\nuse_pkce = True\n"
    )
    command = [str(venv / "bin/emailproxy"), "--no-gui", "--local-server-auth", "--config-file", str(config)]
    env = {**os.environ, "SSL_CERT_FILE": str(server.ca_file), "REQUESTS_CA_BUNDLE": str(server.ca_file)}
    with (
        log.open("w") as out,
        subprocess.Popen([*command, "--log-file", str(log)], env=env, stdout=out, stderr=out) as proxy,
    ):
        try:
            sign_in(fetching, ports[0], log)
            poll = f"port {ports[0]} auth password"
            yield fetching.task("emailproxy", poll, f"sslproto '' password \"{fetching.dovecot.password}\""), proxy.pid
        finally:
            proxy.terminate()


@contextmanager
def listening(fetching: Fetching) -> Iterator[Callable[[], float]]:
    """A bridge that runs all the time, for the peer's sake: no plugin, and a bridge password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    password = fetching.product.run("bridge-password", ADDRESS, check=True).stdout.strip()
    there = ["localhost", str(fetching.dovecot.pop3s_port), "--ca-certs", str(fetching.server.ca_file)]
    command = [fetching.product.command, "bridge", *there, "--listen", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not _listens(port):
                if time.monotonic() > deadline:
                    raise FailedError(f"{command} does not listen")
                time.sleep(0.05)
            yield fetching.task("listening", f"port {port} auth password", f"sslproto '' password \"{password}\"")
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def sign_in(fetching: Fetching, port: int, log: Path) -> None:
    """As tests/token_import/test_token_import.py does it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = poplib.POP3("127.0.0.1", port, timeout=30)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise FailedError(log.read_text()) from None
            time.sleep(0.1)
    client.user(ADDRESS)
    client._putcmd(f"PASS {fetching.dovecot.password}")  # type: ignore[attr-defined]
    url = ""
    while not url:
        found = re.search(r"following URL to authenticate account .*: (\S+)", log.read_text())
        url = found[1] if found else ""
        if time.monotonic() > deadline:
            raise FailedError(log.read_text())
        time.sleep(0.05)
    fetching.server.sign_in(url, ADDRESS)
    client._getresp()  # type: ignore[attr-defined]
    client.quit()


def peak_of(pid: int) -> float:
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def line(what: str, ours: float, peer: str, theirs: float, most: float = 0) -> None:
    ratio = ours / theirs
    goal = f"  goal <= {most:g}: {'met' if ratio <= most else 'MISSED'}" if most else ""
    print(f"{what:44} {ours:8.2f}  {peer:28} {theirs:8.2f}  ratio {ratio:5.2f}{goal}", flush=True)


def measure(fetching: Fetching, directory: Path, rounds: int, messages: int) -> None:
    server = f"localhost:{fetching.dovecot.pop3s_port}"
    openssl = f"openssl s_client -quiet -verify_quiet -connect {server}"
    socat = f"{programs.find('socat')} -b 65536 STDIO TCP:localhost:{fetching.dovecot.pop3_port}"
    with emailproxy(fetching, directory) as (by_emailproxy, pid), listening(fetching) as by_listener:
        for what, octets in ((f"{messages} messages", sizes(messages)), ("one of 50 MB", [LARGE])):
            fetching.fill(octets)
            tasks = {
                "bridge": fetching.bridge(),
                "straight": fetching.straight(),
                "plain": fetching.plain(),
                "socat": fetching.plugin("socat", socat),
                "openssl": fetching.plugin("openssl", openssl),
                "listening": by_listener,
                "emailproxy": by_emailproxy,
            }
            found = interleaved(tasks, rounds)
            line(what, found["bridge"], "fetchmail straight, TLS", found["straight"], 1.25)
            line(what, found["bridge"], "plugin openssl s_client", found["openssl"], 1.25)
            line(what, found["bridge"], "plugin socat, without TLS", found["socat"], 1.25)
            line(what, found["bridge"], "emailproxy", found["emailproxy"], 1.0)
            line(f"  bridge --listen, {what}", found["listening"], "fetchmail straight, TLS", found["straight"], 1.25)
            line(f"  bridge --listen, {what}", found["listening"], "fetchmail straight, plain", found["plain"], 1.25)
            peak = fetching.peak_of_bridge()
            print(f"{'  memory of the bridge, MiB':44} {peak:8.1f}  goal <= 40: {'met' if peak <= 40 else 'MISSED'}")
            print(f"{'  memory of emailproxy, MiB':44} {peak_of(pid):8.1f}")
            tasks = {"bridge": fetching.bridge(mda=True), "straight": fetching.straight(mda=True)}
            found = interleaved(tasks, max(1, rounds // 2))
            line(f"{what}, maildrop delivers", found["bridge"], "fetchmail straight, TLS", found["straight"], 1.25)
            for megabits, keep in ((50, True), (100, True), (100, False)):
                with delayed(fetching.dovecot.pop3s_port, 0.02, megabits=megabits) as port:
                    tasks = {
                        "bridge": fetching.bridge(port=port, keep=keep),
                        "straight": fetching.straight(port=port, keep=keep),
                    }
                    found = interleaved(tasks, 1)
                where = f"{what}, 20 ms, {megabits} Mbit/s{'' if keep else ', deleted'}"
                line(where, found["bridge"], "fetchmail straight, TLS", found["straight"], 1.25)


def main() -> int:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1000)
    options = parser.parse_args()
    needs.programs("oauth2-pop3", "dovecot", "node", "fetchmail", "maildrop", "socat", "openssl")
    with tempfile.TemporaryDirectory(prefix="bridge-benchmark-") as name, ExitStack() as stack:
        directory = Path(name)
        home = directory / "home"
        for variable, path in (
            ("HOME", home),
            ("XDG_CONFIG_HOME", home / ".config"),
            ("XDG_STATE_HOME", home / ".local/state"),
        ):
            path.mkdir(parents=True, mode=0o700)
            os.environ[variable] = str(path)
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), programs.SEARCH_PATH])
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pip has compiled what people run
        certificates = Certificates(directory / "certificates")
        server = stack.enter_context(AuthorizationServer(certificates, bench_directory(directory)))
        dovecot = stack.enter_context(Dovecot(certificates, server))
        product = Product(home)
        product.use_built_in(server, dovecot, ADDRESS)
        try:
            if (result := product.login(server, ADDRESS)).returncode:
                raise FailedError(result.stderr)
            measure(Fetching(directory, product, server, dovecot), directory, options.rounds, options.messages)
        except FailedError as error:
            print(f"bridge.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
