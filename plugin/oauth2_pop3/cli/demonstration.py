"""What `oauth2-pop3 sandbox` shows: login, getmail and a Maildir, by the commands that a user would type."""

from __future__ import annotations

import contextlib
import mailbox
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.header import decode_header, make_header
from pathlib import Path

import tomlkit

from oauth2_pop3 import startup
from oauth2_pop3.cli.getmail_launcher import getmail_script
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error
from oauth2_pop3.sandbox import Sandbox

_MESSAGES = 5
_LOGIN_TIMEOUT = 60.0


def demonstrate(*, act: str, keep: bool) -> int:
    """Show it once, and return getmail's exit code. With `keep`, keep running until Ctrl-C.

    Raises OAuth2Pop3Error if a part of it fails, and ConfigError if a package is missing.
    """
    for module in ("trustme", "getmailcore"):
        try:
            __import__(module)
        except ImportError:
            raise ConfigError(f"the sandbox needs {module}", hint="Run: pip install 'oauth2-pop3[sandbox]'") from None
    with _directory() as directory, Sandbox(directory / "servers", act) as sandbox:
        demonstration = _Demonstration(directory, sandbox)
        code = demonstration.run()
        if keep and code == 0:
            demonstration.play()
        return code


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A temporary directory that is removed at the end, after SIGTERM too."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, leave)
    directory = Path(tempfile.mkdtemp(prefix="oauth2-pop3-sandbox-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        signal.signal(signal.SIGTERM, previous)


class _Demonstration:
    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        self._directory = directory
        self._sandbox = sandbox
        self._config = directory / "config" / "oauth2-pop3" / "config.toml"
        self._getmail_directory = directory / "getmail"
        self._maildir = directory / "Maildir"
        self._places = {"XDG_CONFIG_HOME": str(directory / "config"), "XDG_STATE_HOME": str(directory / "state")}
        self._environment = {**os.environ, **self._places}
        self._oauth2_pop3 = [sys.executable, "-m", "oauth2_pop3"]
        # The unmodified getmail if this Python has read our .pth file, otherwise the launcher in its place.
        by_itself = startup.RetrieverTypesFinder in sys.meta_path  # type: ignore[comparison-overlap]
        self._getmail = [str(getmail_script())] if by_itself else [*self._oauth2_pop3, "getmail"]

    def run(self) -> int:
        self._write_files()
        print(f"An authorization server and a POP3 server are running on 127.0.0.1 (act: {self._sandbox.act.name}).")
        print(f"\n$ oauth2-pop3 login {self._sandbox.user}", flush=True)
        self._login()
        self._sandbox.deliver(_MESSAGES)
        print("\n$ getmail", flush=True)
        code = subprocess.run([*self._getmail, *self._getmail_arguments], env=self._environment, check=False).returncode
        print(f"\n$ ls {self._maildir}/new")
        found = self._show_messages()
        if code == 0 and found != _MESSAGES:
            raise OAuth2Pop3Error(f"{_MESSAGES} messages were on the server, but {found} are in the Maildir")
        return code

    @property
    def _getmail_arguments(self) -> list[str]:
        return ["--getmaildir", str(self._getmail_directory)]

    def _write_files(self) -> None:
        row = {**self._sandbox.provider_row(), "client_id": self._sandbox.client_id}
        if self._sandbox.client_secret:
            row["client_secret"] = self._sandbox.client_secret
        self._config.parent.mkdir(mode=0o700, parents=True)
        self._config.touch(0o600)
        self._config.write_text(tomlkit.dumps({"providers": {"sandbox": row}}))
        self._getmail_directory.mkdir(mode=0o700)
        for name in ("cur", "new", "tmp"):
            (self._maildir / name).mkdir(parents=True)
        destination = f"type = Maildir\npath = {self._maildir}/\n"
        if os.geteuid() == 0:  # getmail does not deliver as root, so it is given another user
            nobody = pwd.getpwnam("nobody")
            destination += "user = nobody\n"
            self._directory.chmod(0o711)
            for path in (self._maildir, *self._maildir.iterdir()):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        (self._getmail_directory / "getmailrc").write_text(
            f"[retriever]\ntype = oauth2-pop3\nusername = {self._sandbox.user}\n\n"
            f"[destination]\n{destination}\n[options]\nread_all = false\n"
        )

    def _login(self) -> None:
        """Run login as a user would, and act the person at the browser."""
        command = [*self._oauth2_pop3, "login", self._sandbox.user, "--no-browser"]
        with subprocess.Popen(
            command, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            url = process.stdout.readline().strip()
            if url:
                print(url, flush=True)
                self._sandbox.sign_in(url)
            print(process.communicate(timeout=_LOGIN_TIMEOUT)[0], end="", flush=True)
        if process.returncode:
            raise OAuth2Pop3Error(f"login ended with exit code {process.returncode}; the reason is shown above")

    def _show_messages(self) -> int:
        messages = list(mailbox.Maildir(self._maildir, create=False))
        for subject in sorted(str(make_header(decode_header(str(message["subject"])))) for message in messages):
            print(f"  {subject}")
        return len(messages)

    def play(self) -> None:
        """Say what can be tried, and deliver a new message for each line typed, until Ctrl-C."""
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._places.items())
        commands = shlex.quote(str(Path(sys.executable).parent))  # of the virtual environment, which no shell searches
        server = f"{self._sandbox.pop3_host} {self._sandbox.pop3_port}"
        print(
            f"""
Both servers keep running. To play with them, in another terminal:

  export {settings} PATH={commands}:"$PATH"
  oauth2-pop3 status
  oauth2-pop3 token {self._sandbox.user}
  oauth2-pop3 login {self._sandbox.user}     # your browser will warn of an unknown certificate authority
  {shlex.join([*self._getmail, *self._getmail_arguments])}

For fetchmail, mpop and other programs that can connect to a port:

  oauth2-pop3 bridge-password {self._sandbox.user}
  oauth2-pop3 bridge {server} --ca-certs {shlex.quote(str(self._sandbox.ca_certs))} --listen 1110

Configuration: {self._config}
Press Enter to deliver a new message, Ctrl-C to end.""",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            for _ in sys.stdin:
                self._sandbox.deliver(1)
                print("A new message is on the server.", flush=True)
            signal.pause()  # standard input has ended: there is no terminal
