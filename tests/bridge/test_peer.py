"""The bridge on a socket: under systemd, under inetd and on its own, with clients that were not written here."""

from __future__ import annotations

import base64
import os
import poplib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from oauth2_pop3.bridge import passwords
from oauth2_pop3.bridge.error_response import error_response
from oauth2_pop3.errors import NetworkError
from servers import ports, programs
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support import CONTRIB
from support.hosts import Mpop
from support.product import ADDRESS, Product, run

OTHER = "bob@example.org"


@pytest.fixture
def password(signed_in: Product) -> str:
    result = signed_in.run("bridge-password", ADDRESS, check=True)
    assert len(result.stdout) == 27
    return result.stdout.strip()


def recipe(ours: Mapping[str, str], *names: str) -> list[str]:
    """The lines of files of contrib/, with the names and paths of this test in place of theirs."""
    text = "".join((CONTRIB / name).read_text() for name in names)
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    for theirs, replacement in ours.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, replacement)
    return text.splitlines(keepends=True)


Start = Callable[..., int]


@pytest.fixture
def start(
    signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, tmp_path: Path
) -> Iterator[Start]:
    """start(kind, *options): a bridge that listens as kind says; its port."""
    with ExitStack() as stack:

        def start_one(kind: str, *options: str, pop3: Dovecot = dovecot) -> int:
            port = ports.free()
            arguments = [str(pop3.pop3s_port), "--ca-certs", str(authorization_server.ca_file), *options]
            bridging = [signed_in.command, "bridge", "localhost", *arguments]
            ours = {"pop.gmail.com 995": " ".join(bridging[2:]), "127.0.0.1:1110": f"127.0.0.1:{port}"}
            # The environment that each of them gives: systemd sets HOME for a user's services, inetd sets nothing.
            environment = {"PATH": os.environ["PATH"]} | ({} if kind == "inetd" else {"HOME": str(signed_in.home)})
            match kind:
                case "listen":
                    command = [*bridging, "--listen", str(port)]
                case "systemd":
                    ours["%h/.local/bin/oauth2-pop3"] = signed_in.command
                    units = ("oauth2-pop3-bridge.socket", "oauth2-pop3-bridge@.service")
                    lines = recipe(ours, *(f"systemd/{unit}" for unit in units))
                    settings = dict(line.strip().split("=", 1) for line in lines if "=" in line)
                    assert settings["StandardInput"] == settings["StandardOutput"] == "socket"
                    assert settings["Accept"] == "yes"
                    activate = programs.find("systemd-socket-activate")
                    listen = ["--accept", "--inetd", "--setenv=HOME", "-l", settings["ListenStream"]]
                    command = [activate, *listen, *settings["ExecStart"].split()]
                case "systemd, one process":
                    activate = programs.find("systemd-socket-activate")
                    command = [activate, "--setenv=HOME", "-l", f"127.0.0.1:{port}", *bridging]
                case "inetd":
                    program = programs.find("inetd")
                    if os.geteuid() != 0:
                        programs.missing("inetd wants root")
                    ours["/home/ann/.local/bin/oauth2-pop3"] = signed_in.command
                    ours["HOME=/home/ann"] = f"HOME={signed_in.home}"
                    ours[" ann "] = " root "
                    (tmp_path / "inetd.conf").write_text("".join(recipe(ours, "inetd/oauth2-pop3-bridge.conf")))
                    command = [program, "-d", "-i", str(tmp_path / "inetd.conf")]
                case _:
                    raise ValueError(kind)
            log = stack.enter_context((tmp_path / f"{kind}.log").open("wb"))
            process = stack.enter_context(
                subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
                )
            )
            stack.callback(_kill, process)
            deadline = time.monotonic() + 180
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    return port
                assert time.monotonic() < deadline, (tmp_path / f"{kind}.log").read_text()
                time.sleep(0.02)

        yield start_one


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def sign_in(port: int, user: str, password: str) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=60)
    try:
        client.user(user)
        client.pass_(password)
    except BaseException:
        client.close()
        raise
    return client


def log_of(tmp_path: Path, kind: str) -> str:
    return (tmp_path / f"{kind}.log").read_text()


def refusals(port: int, *attempts: tuple[str, str]) -> list[str]:
    """What is said to users with a wrong password, all at the same time, since each has to wait for that."""

    def one(attempt: tuple[str, str]) -> str:
        began = time.monotonic()
        with pytest.raises(poplib.error_proto) as refused:
            sign_in(port, *attempt)
        assert time.monotonic() - began >= 1
        return str(refused.value)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, attempts))


@pytest.mark.parametrize("kind", ["systemd", "inetd", "listen"])
def test_right_wrong_and_no_password(
    kind: str, start: Start, dovecot: Dovecot, signed_in: Product, home: Path, tmp_path: Path
) -> None:
    """By poplib, curl and mpop."""
    dovecot.add_messages(ADDRESS, 3)
    port = start(kind)
    [none] = refusals(port, (ADDRESS, "anything"))
    assert "[AUTH]" in none
    made = signed_in.run("bridge-password", ADDRESS, check=True).stdout.strip()
    curl = (programs.find("curl"), "-sS", f"pop3://127.0.0.1:{port}/1", "--max-time", "60")
    unknown = "nobody@example.com\x07" if kind == "listen" else "nobody@example.com"
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(run, *curl, "--user", f"{ADDRESS}:wrong")
        wrong = pool.submit(refusals, port, (ADDRESS, "anything"), (unknown, made))

        client = sign_in(port, ADDRESS, made)
        assert client.stat()[0] == 3
        capabilities = set(client.capa())  # mpop asks again after the sign-in, too, and then pipelines
        assert "PIPELINING" in capabilities
        assert not {"SASL", "STLS", "USER"} & capabilities, "after the sign-in, nothing that was taken over"
        client.dele(1)
        assert client.quit().startswith(b"+OK")
        assert dovecot.count(ADDRESS) == 2

        for how in ("", "AUTH=PLAIN"):
            result = run(*curl, "--user", f"{ADDRESS}:{made}", *(("--login-options", how) if how else ()))
            assert result.returncode == 0, (how, result.stderr)
            assert "Message-ID" in result.stdout
        mpop = Mpop(home)
        for auth in ("user", "plain"):
            mpop.configure(
                f"account a\nhost 127.0.0.1\nport {port}\ntls off\nauth {auth}\nuser {ADDRESS}\npassword {made}\n"
                f"uidls_file {home}/uidls-{auth}\nkeep on\n{{delivery}}\n"
            )
            result = mpop.run()
            assert result.returncode == 0, (auth, result.stderr)
        assert len(mpop.message_ids()) == 4
        assert len(set(mpop.message_ids())) == 2
        assert wrong.result() == [none, none], "the three look alike"
        assert refused.result().returncode == 67, "curl's CURLE_LOGIN_DENIED"
    if kind != "inetd":  # there it goes to the system's log, and the client must not see it
        said = log_of(tmp_path, kind)
        assert f"{ADDRESS} has no bridge password" in said
        assert f"the bridge password of {ADDRESS} was wrong" in said
        assert made not in said
        assert "Traceback" not in said


@pytest.mark.parametrize(("kind", "count"), [("systemd", 50), ("systemd, one process", 200)])
def test_many_at_once(
    kind: str,
    count: int,
    start: Start,
    password: str,
    signed_in: Product,
    dovecot_factory: Callable[..., Dovecot],
) -> None:
    """With a process for each, and with one for all, which serves 100 at a time: that is the code of --listen."""
    dovecot = dovecot_factory(
        settings="service pop3 {\n process_limit = 300\n}\nservice pop3-login {\n process_limit = 300\n}\n"
        "protocol pop3 {\n mail_max_userip_connections = 300\n}\n"
    )
    dovecot.add_messages(ADDRESS, 1)
    port = start(kind, pop3=dovecot)
    good: list[int] = []

    def one() -> None:
        client = sign_in(port, ADDRESS, password)
        good.append(client.stat()[0])
        client.quit()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [1] * count


@pytest.mark.parametrize("accept", [(), ("--accept",)])
def test_a_socket_that_is_not_standard_input(
    accept: tuple[str, ...],
    signed_in: Product,
    password: str,
    dovecot: Dovecot,
    authorization_server: AuthorizationServer,
) -> None:
    """sd_listen_fds(3): a unit without StandardInput=socket, or one with Accept=no."""
    port = ports.free()
    passed = [f"--setenv={name}" for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "PATH")]
    activate = [programs.find("systemd-socket-activate"), *accept, *passed, "-l", f"127.0.0.1:{port}"]
    command = [signed_in.command, "bridge", "localhost", str(dovecot.pop3s_port)]
    with subprocess.Popen(
        [*activate, *command, "--ca-certs", str(authorization_server.ca_file)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert "Listening" in process.stderr.readline()
        with pytest.raises(poplib.error_proto, match="AUTH"):
            sign_in(port, ADDRESS, "wrong")
        client = sign_in(port, ADDRESS, password)
        assert client.stat()[0] == 0
        client.quit()
        os.killpg(process.pid, signal.SIGTERM)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = {unit: tmp_path / unit for unit in ("oauth2-pop3-bridge.socket", "oauth2-pop3-bridge@.service")}
    for name, unit in units.items():
        unit.write_text((CONTRIB / "systemd" / name).read_text().replace("%h/.local/bin/oauth2-pop3", "/bin/true"))
    result = run(programs.find("systemd-analyze"), "verify", *map(str, units.values()))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("lead", range(4))
def test_a_long_sentence_is_cut_between_letters(lead: int) -> None:
    line = error_response(NetworkError("x" * lead + "ü€😀" * 300)).encode()
    assert 506 < len(line) <= 510, "RFC 2449 section 4, with CRLF"


# -- clients that misbehave


@contextmanager
def raw(port: int) -> Iterator[tuple[socket.socket, Callable[[], bytes]]]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as end, end.makefile("rb") as file:
        assert file.readline().startswith(b"+OK")
        yield end, file.readline


def test_strangers_at_the_port(start: Start, password: str, dovecot: Dovecot, tmp_path: Path) -> None:
    """None of them reaches the real server, holds a place for long, or ends the listener."""
    dovecot.clear(ADDRESS)
    port = start("listen", "--max-connections", "3")
    before = dovecot.log().count("pop3-login")
    for nonsense in (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\nUSER x\r\nPASS y\r\n" % port,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"x" * 200_000,
        b"NOOP\r\n" * 100,
    ):
        with raw(port) as (end, line), suppress(ConnectionError):
            end.sendall(nonsense)
            while line():
                pass
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    with raw(port) as (end, line), ThreadPoolExecutor() as pool:
        for odd in (b"USER a\0b", b"USER " + b"u" * 5000, b"USER \xff\xfe", b"USER ../../tokens/x"):
            end.sendall(odd + b"\r\nCAPA\r\n")
            assert line() == b"+OK\r\n"
            while (capability := line()) != b".\r\n":
                assert capability
        began = time.monotonic()
        waits = pool.submit(sign_in, port, ADDRESS, password)  # one of the two that are idle has to go
        for _ in range(3):
            end.sendall(b"PASS x\r\n")
            assert line().startswith(b"-ERR [AUTH]")
        assert line() == b""
        assert time.monotonic() - began >= 7
        client = waits.result()
    assert client.stat()[0] == 0
    client.quit()
    for end in idle:
        end.settimeout(60)
        assert end.recv(1000).startswith(b"+OK")
    assert idle[0].recv(1000) == b""
    idle[1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        idle[1].recv(1000)
    for end in idle:
        end.close()
    assert dovecot.log().count("pop3-login") == before + 1
    said = log_of(tmp_path, "listen")
    for expected in ("speaks HTTP", "speaks TLS", "line without an end", "within 30 commands"):
        assert expected in said
    assert "Traceback" not in said
    assert "Error:" not in said


def test_auth_plain_and_all_in_one_packet(start: Start, password: str, dovecot: Dovecot) -> None:
    dovecot.add_messages(ADDRESS, 2)
    port = start("listen")
    plain = base64.b64encode(f"\0{ADDRESS}\0{password}".encode())
    with raw(port) as (end, line):
        end.sendall(b"AUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n" + plain + b"\r\nCAPA\r\nQUIT\r\n")
        assert [line()[:4] for _ in range(5)] == [b"+ \r\n", b"-ERR", b"+ \r\n", b"+OK\r", b"+OK\r"]
    theirs = base64.b64encode(f"{ADDRESS}\0{OTHER}\0{password}".encode())
    with raw(port) as (end, line):
        end.sendall(b"AUTH PLAIN " + theirs + b"\r\n")
        assert line().startswith(b"-ERR [AUTH]"), "a password opens only its own mailbox"
        end.sendall(f"USER {ADDRESS}\r\nPASS {password}\r\nSTAT\r\nUIDL\r\nQUIT\r\n".encode())  # again on it
        end.shutdown(socket.SHUT_WR)  # it sends no more, but the responses still come
        responses = b"".join(iter(line, b""))
    assert responses.count(b"+OK") == 5


def test_sigterm_and_addresses(signed_in: Product, password: str, dovecot: Dovecot) -> None:
    for address in ("0.0.0.0:1110", "[::]:1110", "192.0.2.1:1110", ":"):
        result = signed_in.run("bridge", "localhost", "995", "--listen", address)
        assert result.returncode == 64, address
    port = ports.free()
    command = [signed_in.command, "bridge", "localhost", str(dovecot.pop3s_port), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert (
            process.stderr.readline()
            == f"oauth2-pop3: listening on 127.0.0.1, port {port}; clients need bridge passwords\n"
        )
        taken = signed_in.run(*command[1:])
        assert taken.returncode == 64
        assert taken.stderr == (
            f"oauth2-pop3: cannot listen on 127.0.0.1, port {port}: another program uses this port\n  Choose another.\n"
        )
        with raw(port):
            process.terminate()
            assert process.wait(180) == 0
        assert process.stderr.read() == ""


# -- who must give a password


def greeted(product: Product, end: socket.socket, *options: str) -> bytes:
    """What a bridge says on that socket when its client has said USER and PASS; its real server cannot be reached."""
    result = subprocess.run(
        [product.command, "bridge", "localhost", "1", *options],
        stdin=end.fileno(),
        stdout=end.fileno(),
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    return result.stderr


def test_what_demands_a_password(signed_in: Product, password: str, tmp_path: Path) -> None:
    """By the kind of standard input. Without a bridge password it first connects to the server, which is not there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert b"no connection to the POP3 server" in greeted(signed_in, theirs)
    conversation = f"USER {ADDRESS}\r\nPASS wrong\r\nQUIT\r\n".encode()

    def demanded(ours: socket.socket, theirs: socket.socket, *options: str) -> bool:
        with ours, theirs:
            ours.sendall(conversation)
            said = greeted(signed_in, theirs, *options)
            return ours.recv(1000).startswith(b"+OK") and b"was wrong" in said

    def connected(listener: socket.socket, client: socket.socket) -> tuple[socket.socket, socket.socket]:
        listener.listen()
        client.connect(listener.getsockname())
        return client, listener.accept()[0]

    with ExitStack() as stack, ThreadPoolExecutor() as pool:  # each wrong password takes a second
        futures = [pool.submit(demanded, *socket.socketpair(), "--require-password")]
        for family, name in (
            (socket.AF_UNIX, str(tmp_path / "named")),
            (socket.AF_INET, ("127.0.0.1", 0)),
            (socket.AF_INET6, ("::1", 0)),
        ):
            listener = stack.enter_context(socket.socket(family))
            try:
                listener.bind(name)
            except OSError:
                assert family == socket.AF_INET6, "which a machine may not have"
            else:
                futures.append(pool.submit(demanded, *connected(listener, socket.socket(family))))
        assert [future.result() for future in futures] == [True] * len(futures)


def test_a_peer_on_another_address_is_refused(signed_in: Product, password: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no other address")
    with socket.create_server((address, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        end, _ = listener.accept()
        with client, end:
            assert b"a connection from" in greeted(signed_in, end)
            end.shutdown(socket.SHUT_RDWR)
            assert client.recv(100) == b"", "not even a greeting"


def test_the_password_s_file(signed_in: Product, password: str, start: Start, tmp_path: Path) -> None:
    file = signed_in.state / "bridge-passwords" / ADDRESS
    assert file.stat().st_mode & 0o777 == 0o600
    assert password not in file.read_text()
    assert signed_in.run("bridge-password", "--list", check=True).stdout == f"{ADDRESS}\n"
    assert signed_in.run("bridge-password", "nobody@example.org").returncode == 77
    for wrong in ((), ("--list", ADDRESS), ("--remove",)):
        assert signed_in.run("bridge-password", *wrong).returncode == 64
    port = start("listen")
    record = file.read_text()

    def reason() -> str:
        return passwords.reason_to_refuse(ADDRESS, password.encode()) or "it is right"

    sign_in(port, ADDRESS.upper(), password).quit()
    assert reason() == "it is right"
    file.chmod(0o644)
    assert "open to others" in reason()
    file.chmod(0o600)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "cannot read" in reason()
    file.unlink()
    file.write_text(record.replace("$8$", "$800000$"))
    file.chmod(0o600)
    assert "is damaged" in reason()
    if os.geteuid() == 0:
        file.write_text(record)
        os.chown(file, 65534, 65534)
        assert "belongs to another user" in reason()
    with pytest.raises(poplib.error_proto, match="AUTH"):
        sign_in(port, ADDRESS, password)
    assert reason() in log_of(tmp_path, "listen")
    if os.geteuid() == 0:
        os.chown(file, 0, 0)
    signed_in.run("bridge-password", ADDRESS, "--remove", check=True)
    assert signed_in.run("bridge-password", ADDRESS, "--remove").returncode == 77
    assert "has no bridge password" in reason()
