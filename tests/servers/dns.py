"""dnsmasq, a name server with the records of one test, and getaddrinfo that asks it."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.resolver

from servers import ports, programs

HOST = ports.HOST
_LOCAL = ("example", "thunderbird.net")  # domains for which no other server is asked: an unknown name is NXDOMAIN


class NameServer:
    """A running dnsmasq; as a context manager it starts and stops.

    mx: hosts by domain, the preferred first. srv: (target, port, priority, weight) by name; None for the target ".".
    txt: texts by name, each a list of strings. hosts: names of this machine. cnames: target by alias.
    resolver: asks this server and no other.
    """

    def __init__(
        self,
        *,
        mx: Mapping[str, list[str]] | None = None,
        srv: Mapping[str, list[tuple[str, int, int, int] | None]] | None = None,
        txt: Mapping[str, list[list[str]]] | None = None,
        hosts: Iterable[str] = (),
        cnames: Mapping[str, str] | None = None,
    ) -> None:
        self._records: list[str] = []
        for domain, exchanges in (mx or {}).items():
            self._records += [f"--mx-host={domain},{host},{10 * n}" for n, host in enumerate(exchanges)]
        for name, targets in (srv or {}).items():
            self._records += [
                f"--srv-host={name}" if target is None else f"--srv-host={name},{','.join(map(str, target))}"
                for target in targets
            ]
        for name, texts in (txt or {}).items():
            self._records += [f"--txt-record={name},{','.join(strings)}" for strings in texts]
        self._records += [f"--host-record={host},127.0.0.1" for host in hosts]
        self._records += [f"--cname={alias},{target}" for alias, target in (cnames or {}).items()]
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = [HOST]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Run on a port that is free now; on another one if it is taken in the meantime."""
        for _ in range(5):
            if self._start():
                return self
        raise RuntimeError("dnsmasq does not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def _start(self) -> bool:
        self.resolver.port = ports.free()
        command = [programs.find("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv"]
        command += ["--no-hosts", f"--listen-address={HOST}", "--bind-interfaces", "--no-ping", "--pid-file="]
        command += ["--user=", f"--port={self.resolver.port}", *(f"--local=/{name}/" for name in _LOCAL)]
        self._process = subprocess.Popen([*command, *self._records], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 180
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._listens():
                return True
            time.sleep(0.005)
        self.stop()
        return False

    def _listens(self) -> bool:
        """Ask by TCP: a closed port is refused at once, but a query by UDP would be lost."""
        try:
            socket.create_connection((HOST, self.resolver.port), 1).close()
        except OSError:
            return False
        return True

    def getaddrinfo(self, ports: Mapping[int, int]) -> Callable[..., list[Any]]:
        """A socket.getaddrinfo that uses this server's records. ports: ours for well-known ones.

        A test that is not root cannot listen on port 443. Addresses and localhost are the system's to tell.
        """
        system = socket.getaddrinfo

        def getaddrinfo(host: str | bytes | None, port: Any, *arguments: Any, **options: Any) -> list[Any]:
            name = host.decode() if isinstance(host, bytes) else host or ""
            if name in ("", "localhost") or _is_address(name):
                return system(host, port, *arguments, **options)
            try:
                records = self.resolver.resolve(name, "A", lifetime=5)
            except dns.exception.DNSException as error:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*kind, (record.address, ports.get(port, port))) for record in records]

        return getaddrinfo


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
