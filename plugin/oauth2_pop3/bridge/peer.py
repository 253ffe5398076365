"""Who is at the other end of the bridge: what the descriptors show about it, and whether it must give a password.

This is not an option, so nobody can forget to set it. fetchmail gives its plugin one end of a socket pair that has no
name, so nobody else can have the other end. A socket with a name has been listened on, by inetd, systemd or the bridge
itself, and any user of the machine may have connected to it.
"""

from __future__ import annotations

import errno
import io
import os
import socket
import stat
import sys

from oauth2_pop3.errors import UsageError
from oauth2_pop3.net.loopback import is_loopback_address

_FRONTS = ("NCAT_REMOTE_ADDR", "SOCAT_PEERADDR")  # set by programs that listen and hand over a pipe


def must_prove_itself(descriptor: int) -> bool:
    """Whether any user could be at the other end. Raises UsageError if it is on another machine."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return any(name in os.environ for name in _FRONTS)
    with socket.socket(fileno=os.dup(descriptor)) as end:
        if end.family == socket.AF_UNIX:
            try:
                return bool(end.getsockname() or end.getpeername()) or any(name in os.environ for name in _FRONTS)
            except OSError:  # the client has gone
                return True
        try:
            peer = str(end.getpeername()[0])
        except (OSError, TypeError, IndexError):
            peer = ""
        if end.family not in (socket.AF_INET, socket.AF_INET6) or not is_loopback_address(peer):
            raise UsageError(
                f"a connection from {peer or 'an unknown address'} was refused: the bridge serves only this machine",
                hint="Let it listen on 127.0.0.1 or ::1, and let the client connect to that.",
            )
    return True


def passed() -> socket.socket | None:
    """The socket that systemd passed on descriptor 3 (sd_listen_fds(3)); None if it used standard input or passed none.

    Raises UsageError if it passed several.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if count != "1":
        raise UsageError(f"{count or 'no'} sockets were passed, but the bridge serves one")
    return socket.socket(fileno=3)


def listens(passed_socket: socket.socket) -> bool:
    """Whether clients connect to this socket; if not, it is the connection of one client."""
    return bool(passed_socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def name_of(listening: socket.socket) -> str:
    """Where clients find a listening socket: its address and port, or its path."""
    name = listening.getsockname()
    return f"{name[0]}, port {name[1]}" if isinstance(name, tuple) else os.fsdecode(name)


def listener(address: str, port: int) -> socket.socket:
    """Listen at a loopback address. Raises UsageError for any other address, or if the port is taken."""
    address = "127.0.0.1" if address == "localhost" else address
    if not is_loopback_address(address):
        raise UsageError(
            f"{address} can be reached from other machines",
            hint="Listen on 127.0.0.1 or ::1.",
        )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason, hint = "another program uses this port", "Choose another."
        else:  # error.strerror has the address again
            reason, hint = os.strerror(error.errno or 0), ""
        raise UsageError(f"cannot listen on {address}, port {port}: {reason}", hint=hint) from error


def keep_standard_error_from(descriptor: int) -> None:
    """If standard error is the client's connection, as it is under inetd, put the system's log in its place."""
    try:
        ours, theirs = os.fstat(2), os.fstat(descriptor)
    except OSError:
        return
    if stat.S_ISSOCK(theirs.st_mode) and os.path.samestat(ours, theirs):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)  # for the commands that config.toml names
        os.close(null)
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(_SystemLog()), "utf-8", "backslashreplace", line_buffering=True)


class _SystemLog(io.RawIOBase):
    """A stream whose lines go to syslog(3)."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        import syslog

        octets = bytes(data)  # type: ignore[call-overload]
        syslog.openlog("oauth2-pop3", syslog.LOG_PID, syslog.LOG_MAIL)
        for line in octets.decode("utf-8", "replace").replace("\0", " ").splitlines():
            syslog.syslog(syslog.LOG_WARNING, line)
        return len(octets)
