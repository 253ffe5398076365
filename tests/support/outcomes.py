"""What every way to fetch mail makes of the same server: ours beside the stock hosts with a password.

One row of a table of cases is a server (servers.scripted_pop3) and what is to come of it at each of WAYS.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import NamedTuple

from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.stores.file import FileStore
from servers import ports
from servers.certificates import Certificates
from servers.scripted_pop3 import PASSWORD, ScriptedPop3
from support.hosts import Fetchmail, Mpop
from support.product import ADDRESS, Completed, Getmail, Product

TOKEN = "an-access-token-of-the-table"


class Outcome(NamedTuple):
    """exit_code and said: of the program. subjects: of what it delivered, sorted. left: unique-ids on the server."""

    exit_code: int
    said: str
    subjects: list[str]
    left: list[str]
    seconds: float


class Ways:
    """Each of the ways, in an empty directory of its own below the product's home.

    token_endpoint: where a refresh would go; by default nothing listens there.
    settings: lines of config.toml that belong to no table.
    """

    def __init__(
        self,
        product: Product,
        certificates: Certificates,
        *,
        token_endpoint: str = "http://127.0.0.1:9/token",
        settings: str = "",
    ) -> None:
        self._product = product
        self._certificates = certificates
        self._token_endpoint = token_endpoint
        self._settings = settings
        self._runs = count(1)

    def run(self, way: str, server: ScriptedPop3, *, times: int = 1, **options: str) -> Outcome:
        """Fetch from the server by one of WAYS, `times` times in a row; the last run's outcome.

        options: "getmail": lines of getmail's [options], such as delete = true. "retriever": lines of its [retriever].
        "timeout": seconds that the server may be silent; by default 10.
        """
        self._sign_in(server)
        return self._run(way, server, times, options)

    def run_together(self, ways: Iterable[str], server: ScriptedPop3, **options: str) -> dict[str, Outcome]:
        """Fetch from the server by several ways at the same time. The options must leave the mail on the server."""
        self._sign_in(server)
        names = list(ways)
        with ThreadPoolExecutor(len(names)) as pool:
            outcomes = pool.map(lambda way: self._run(way, server, 1, options), names)
            return dict(zip(names, outcomes, strict=True))

    def _run(self, way: str, server: ScriptedPop3, times: int, options: dict[str, str]) -> Outcome:
        home = self._product.home / f"way-{next(self._runs)}"
        home.mkdir()
        began = time.monotonic()
        for_way: Callable[[Path, ScriptedPop3, int, dict[str, str]], tuple[Completed, list[str]]] = WAYS[way].__get__(
            self
        )
        result, subjects = for_way(home, server, times, options)
        return Outcome(
            result.returncode,
            f"{result.stdout}\n{result.stderr}".strip(),
            sorted(subjects),
            server.left,
            time.monotonic() - began,
        )

    def _sign_in(self, server: ScriptedPop3) -> None:
        self._product.configure(f"""\
{self._settings}
[providers.scripted]
authorization_endpoint = "http://127.0.0.1:9/authorize"
token_endpoint = "{self._token_endpoint}"
allow_insecure_loopback = true
client_id = "table"
scope = "mail"
domains = ["example.org"]
ca_certs = "{self._certificates.ca_file}"
pop3_host = "localhost"
pop3_port = {server.tls_port}

[accounts."{ADDRESS}"]
provider = "scripted"
""")
        ends = int(time.time()) + 3600
        FileStore().save(ADDRESS, Token(TOKEN, ends, refresh_token="a-refresh-token", obtained_at=ends - 3600))

    def _getmail(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        lines = f"type = oauth2-pop3\nserver = localhost\nport = {server.tls_port}\nusername = {ADDRESS}\n"
        return self._by_getmail(home, lines + f"ca_certs = {self._certificates.ca_file}\n", times, options)

    def _stock_getmail(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        lines = f"type = SimplePOP3Retriever\nserver = localhost\nport = {server.port}\nusername = {ADDRESS}\n"
        return self._by_getmail(home, lines + f"password = {PASSWORD}\n", times, options)

    @staticmethod
    def _by_getmail(home: Path, retriever: str, times: int, options: dict[str, str]) -> tuple[Completed, list[str]]:
        getmail = Getmail(home)
        timeout = options.get("timeout", "10")
        getmail.configure(f"{retriever}timeout = {timeout}\n{options.get('retriever', '')}", options.get("getmail", ""))
        results = [getmail.run() for _ in range(times)]
        return results[-1], getmail.subjects()

    def _check(
        self, _home: Path, _server: ScriptedPop3, times: int, _options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        return [self._product.run("check", ADDRESS) for _ in range(times)][-1], []

    def _fetchmail(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        poll = f"poll localhost proto pop3 uidl timeout 10 auth password port {server.port}"
        return self._by_fetchmail(home, poll, f"password '{PASSWORD}'", times, options)

    def _bridged_fetchmail(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        bridge = f"{self._product.command} bridge %h %p --timeout 10 --ca-certs {self._certificates.ca_file}"
        poll = f'poll localhost proto pop3 uidl timeout 20 auth password port {server.tls_port} plugin "{bridge}"'
        return self._by_fetchmail(home, poll, "password 'x'", times, options)

    @staticmethod
    def _by_fetchmail(
        home: Path, poll: str, password: str, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        fetchmail = Fetchmail(home)
        user = f"user '{ADDRESS}' there {password} sslproto '' {options.get('fetchmail', 'nokeep')}"
        fetchmail.configure(f"{poll}\n  {user} {{mda}}\n")
        results = [fetchmail.run() for _ in range(times)]
        return results[-1], [message.subject for message in fetchmail.messages()]

    def _mpop(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        return self._by_mpop(home, server.port, PASSWORD, times, options)

    def _bridged_mpop(
        self, home: Path, server: ScriptedPop3, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        password = self._product.run("bridge-password", ADDRESS, check=True).stdout.strip()
        port = ports.free()
        command = [self._product.command, "bridge", "localhost", str(server.tls_port), "--listen", str(port)]
        command += ["--timeout", "10", "--ca-certs", str(self._certificates.ca_file)]
        with ExitStack() as stack:
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stderr is not None
            process.stderr.readline()  # it listens
            result, subjects = self._by_mpop(home, port, password, times, options)
            process.terminate()
            said = process.stderr.read()
        return subprocess.CompletedProcess(
            result.args, result.returncode, result.stdout, result.stderr + said
        ), subjects

    @staticmethod
    def _by_mpop(
        home: Path, port: int, password: str, times: int, options: dict[str, str]
    ) -> tuple[Completed, list[str]]:
        mpop = Mpop(home)
        lines = ["account a", "host localhost", f"port {port}", f"user {ADDRESS}", "auth user", "tls off"]
        lines += [
            f'passwordeval "echo {password}"',
            f"timeout {options.get('timeout', '20')}",
            options.get("mpop", "keep off"),
            "{delivery}",
        ]
        mpop.configure("\n".join(lines) + "\n")
        results = [mpop.run() for _ in range(times)]
        return results[-1], [message.subject for message in mpop.messages()]


WAYS = {
    "getmail": Ways._getmail,
    "stock getmail": Ways._stock_getmail,
    "check": Ways._check,
    "fetchmail": Ways._fetchmail,
    "bridged fetchmail": Ways._bridged_fetchmail,
    "mpop": Ways._mpop,
    "bridged mpop": Ways._bridged_mpop,
}
"""The names are those of Ways.run()."""
