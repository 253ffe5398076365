"""`import`: tokens from files that the real programs wrote, at the real servers."""

from __future__ import annotations

import hashlib
import json
import os
import poplib
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.token import script_of_mutt
from oauth2_pop3.cli.commands import import_tokens
from servers import ports, programs
from servers.authorization_server import NATIVE_CONFIDENTIAL, NATIVE_PUBLIC, SCOPE, AuthorizationServer, Client
from servers.dovecot import Dovecot
from support.product import ADDRESS, Completed, Product, run

PASSWORD = "what the mail program gives to emailproxy"


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a virtual environment with the other programs."""
    venv = tmp_path_factory.mktemp("others") / "venv"
    run(sys.executable, "-m", "venv", str(venv), check=True)
    packages = ("emailproxy", "mutt-oauth2", "keyrings.alt")
    result = run(str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", *packages, timeout=170)
    if result.returncode:
        programs.missing(f"{', '.join(packages)} cannot be had from the package index")
    return venv / "bin"


@pytest.fixture
def stack(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> AuthorizationServer:
    product.use(authorization_server, dovecot)
    return authorization_server


def environment(server: AuthorizationServer, **more: str) -> dict[str, str]:
    return {**os.environ, "SSL_CERT_FILE": str(server.ca_file), "REQUESTS_CA_BUNDLE": str(server.ca_file), **more}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return path


def as_it_is(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    return hashlib.sha256(path.read_bytes()).hexdigest(), status.st_mode, status.st_mtime_ns, status.st_ino


def take_over(product: Product, file: Path, *arguments: str, stdin: str | None = None) -> Completed:
    """Import, and check that the file is unchanged and that no secret was printed."""
    before = as_it_is(file)
    result = product.run("import", str(file), *arguments, stdin=stdin)
    assert as_it_is(file) == before
    for token in re.findall(r"[\w.-]{40,}", file.read_text(errors="replace")):
        assert token not in result.stdout + result.stderr
    return result


def works(product: Product, server: AuthorizationServer, client: Client = NATIVE_PUBLIC) -> None:
    """It refreshes, by the client that the file had."""
    token = product.token()
    product.expire()
    assert product.token() != token
    assert server.token_requests()[-1]["client_id"] == client.client_id


def getmail_file(server: AuthorizationServer, directory: Path, client: Client, **more: object) -> Path:
    """The file of getmail's script, as that script leaves it after a refresh."""
    tokens = server.issue_tokens(ADDRESS, client=client)
    record = {
        "scope": SCOPE,
        "user": ADDRESS,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "auth_uri": f"{server.issuer}/auth",
        "token_uri": f"{server.issuer}/token",
        "refresh_token": tokens["refresh_token"],
        "expires_at": 0,
        **more,
    }
    file = write(directory / "gmail.json", {key: value for key, value in record.items() if value})
    record = json.loads(file.read_text())
    write(file, {**record, "expires_at": 0})
    script = Path(sys.executable).with_name("getmail-gmail-xoauth-tokens")
    subprocess.run([script, file], env=environment(server), check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert json.loads(file.read_text())["refresh_token"] != tokens["refresh_token"], "the script has written it"
    return file


@pytest.mark.parametrize("client", [NATIVE_PUBLIC, NATIVE_CONFIDENTIAL])
def test_getmail_s_script(client: Client, product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, client)
    result = take_over(product, file)
    assert result.returncode == 0, result.stderr
    assert f"{ADDRESS} is ready (example)" in result.stdout
    assert "getmail-gmail-xoauth-tokens" in result.stdout
    assert "may have to sign in again" in result.stdout, "this server rotates"
    works(product, stack, client)
    assert stat.S_IMODE((product.state / "tokens" / f"{ADDRESS}.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("encrypted", [False, True])
def test_mutt_s_script(encrypted: bool, product: Product, stack: AuthorizationServer, tmp_path: Path) -> None:
    if (source := script_of_mutt(tmp_path)) is None:
        programs.missing("mutt_oauth2.py cannot be had")
    client = NATIVE_CONFIDENTIAL  # the script knows no client without a secret
    tokens = stack.issue_tokens(ADDRESS, client=client)
    record = {
        "registration": "google",
        "authflow": "localhostauthcode",
        "email": ADDRESS,
        "access_token": "",
        "access_token_expiration": "",
        "refresh_token": tokens["refresh_token"],
    }
    source = source.replace("https://accounts.google.com/o/oauth2/token", f"{stack.issuer}/token")
    source = source.replace("'client_id': '',", f"'client_id': '{client.client_id}',", 1)
    source = source.replace("'client_secret': '',", f"'client_secret': '{client.client_secret}',", 1)
    # A substitute for GPG, with the same input and output; the benchmark uses GPG itself.
    encrypt, decrypt = (["base64"], ["base64", "-d"]) if encrypted else (["cat"], ["cat"])
    source = re.sub(r"ENCRYPTION_PIPE = .*", f"ENCRYPTION_PIPE = {encrypt}", source, count=1)
    source = re.sub(r"DECRYPTION_PIPE = .*", f"DECRYPTION_PIPE = {decrypt}", source, count=1)
    script = write(tmp_path / "mutt_oauth2.py", source)
    file = tmp_path / "token"
    file.write_bytes(subprocess.run(encrypt, input=json.dumps(record).encode(), stdout=subprocess.PIPE).stdout)
    file.chmod(0o600)
    printed = subprocess.run(
        [sys.executable, script, file], env=environment(stack), timeout=60, stdout=subprocess.PIPE, text=True
    )
    assert printed.returncode == 0
    if encrypted:
        assert take_over(product, file).returncode == 78
        assert "--decryption-command" in take_over(product, file).stderr
    decryption = ("--decryption-command", "base64 -d") if encrypted else ()
    secret = write(product.home / "secret", client.client_secret)
    own = ("--client-id", client.client_id, "--client-secret-command", f"cat {secret}")
    result = take_over(product, file, *decryption, *own)
    assert result.returncode == 0, result.stderr
    assert "mutt_oauth2" in result.stdout
    works(product, stack, client)


def test_mutt_oauth2_of_pypi(product: Product, stack: AuthorizationServer, others: Path, tmp_path: Path) -> None:
    tokens = stack.issue_tokens(ADDRESS)
    env = environment(stack, PYTHON_KEYRING_BACKEND="keyrings.alt.file.PlaintextKeyring")
    keep = (
        "import json, keyring, sys; from dataclasses import asdict;"
        "from mutt_oauth2.registrations import registrations as known;"
        "data = json.load(sys.stdin); data['registration'] = {**asdict(known.google), 'token_endpoint': sys.argv[1]};"
        "keyring.set_password('tatsh-mutt-oauth2', 'ann', json.dumps(data))"
    )
    record = {
        "email": ADDRESS,
        "client_id": NATIVE_PUBLIC.client_id,
        "client_secret": None,
        "access_token": "",
        "access_token_expiration": time.time() - 10,
        "refresh_token": tokens["refresh_token"],
    }
    command: list[str | Path] = [others / "python", "-c", keep, f"{stack.issuer}/token"]
    subprocess.run(command, env=env, input=json.dumps(record), text=True, check=True)
    subprocess.run([others / "mutt-oauth2", "-u", "ann"], env=env, check=True, stdout=subprocess.DEVNULL)
    command = [others / "keyring", "get", "tatsh-mutt-oauth2", "ann"]
    kept = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert tokens["refresh_token"] not in kept, "the program has written it"
    result = product.run("import", "-", stdin=kept)
    assert result.returncode == 0, result.stderr
    works(product, stack)


def test_emailproxy(
    product: Product, stack: AuthorizationServer, dovecot: Dovecot, others: Path, tmp_path: Path
) -> None:
    """It signs in itself when a mail program asks it for mail, and keeps its tokens in its own way."""
    pop3_port, redirect_port = ports.free(), ports.free()
    config = write(
        tmp_path / "emailproxy.config",
        f"""\
[Server setup]
[POP-{pop3_port}]
server_address = localhost
server_port = {dovecot.pop3s_port}
local_address = 127.0.0.1
[Account setup]
[{ADDRESS}]
permission_url = {stack.issuer}/auth
token_url = {stack.issuer}/token
oauth2_scope = {SCOPE}
redirect_uri = http://localhost:{redirect_port}
client_id = {NATIVE_PUBLIC.client_id}
use_pkce = True
[emailproxy]
delete_account_token_on_password_error = False
""",
    )
    before = config.read_text()
    command: list[str | Path] = [others / "emailproxy", "--no-gui", "--local-server-auth", "--config-file", config]
    log = tmp_path / "log"
    with (
        log.open("w") as out,
        subprocess.Popen([*command, "--log-file", log], env=environment(stack), stdout=out, stderr=out) as proxy,
    ):
        try:
            client = connect(pop3_port)
            client.user(ADDRESS)
            url = ""
            client.sock.settimeout(30)
            client._putcmd(f"PASS {PASSWORD}")  # type: ignore[attr-defined]
            deadline = time.monotonic() + 180
            while not url and time.monotonic() < deadline:
                found = re.search(r"following URL to authenticate account .*: (\S+)", log.read_text())
                url = found[1] if found else ""
                time.sleep(0.05)
            stack.sign_in(url, ADDRESS)
            client._getresp()  # type: ignore[attr-defined]
            client.quit()
            deadline = time.monotonic() + 180
            while "token_salt" not in config.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            proxy.terminate()
    assert config.read_text() != before, log.read_text()
    secret = write(product.home / "password", PASSWORD)
    wrong = take_over(product, config, "--password-command", "echo wrong")
    assert wrong.returncode == 78
    assert "the password does not open its tokens" in wrong.stderr
    assert "--password-command" in take_over(product, config, stdin="").stderr
    result = take_over(product, config, "--password-command", f"cat {secret}")
    assert result.returncode == 0, result.stderr
    assert "emailproxy" in result.stdout
    works(product, stack)


def connect(port: int) -> poplib.POP3:
    deadline = time.monotonic() + 180
    while True:
        try:
            return poplib.POP3("127.0.0.1", port, timeout=5)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# -- programs that are in no package index: files as their sources and manual pages have them


def test_sasl_xoauth2(product: Product, stack: AuthorizationServer) -> None:
    tokens = stack.issue_tokens(ADDRESS, client=NATIVE_CONFIDENTIAL)
    record = {
        "access_token": tokens["access_token"],
        "expiry": str(int(time.time()) + 9),
        "user": ADDRESS,
        "refresh_token": tokens["refresh_token"],
        "client_id": NATIVE_CONFIDENTIAL.client_id,
        "client_secret": NATIVE_CONFIDENTIAL.client_secret,
        "token_endpoint": f"{stack.issuer}/token",
    }
    result = take_over(product, write(product.home / ADDRESS, record))
    assert result.returncode == 0, result.stderr
    works(product, stack, NATIVE_CONFIDENTIAL)


def test_fetchmail_7(product: Product, stack: AuthorizationServer) -> None:
    tokens = stack.issue_tokens(ADDRESS, client=NATIVE_CONFIDENTIAL)
    for name in ("refresh_token", "access_token"):
        write(product.home / name, f"{tokens[name]}\n")
    file = write(
        product.home / "oauth2Config.properties",
        f"client_id={NATIVE_CONFIDENTIAL.client_id}\nclient_secret={NATIVE_CONFIDENTIAL.client_secret}\n"
        f"refresh_token_file={product.home}/refresh_token\naccess_token_file={product.home}/access_token\n"
        f"token_url={stack.issuer}/token\n",
    )
    nobody = take_over(product, file)
    assert nobody.returncode == 64
    assert "--account" in nobody.stderr
    result = take_over(product, file, "--account", ADDRESS)
    assert result.returncode == 0, result.stderr
    works(product, stack, NATIVE_CONFIDENTIAL)
    (product.home / "refresh_token").unlink()
    assert "is not there" in take_over(product, file, "--account", ADDRESS, "--replace").stderr


# -- what must not happen


def test_an_account_that_has_signed_in_is_left_alone(product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC)
    assert product.login(stack).returncode == 0
    mine = product.stored()
    result = take_over(product, file)
    assert result.returncode == 78
    assert "--replace" in result.stderr
    assert product.stored() == mine
    assert take_over(product, file, "--replace").returncode == 0
    assert product.stored() != mine


def test_a_token_that_is_refused_leaves_nothing_behind(product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC)
    config = product.config_file.read_text()
    stack.revoke(json.loads(file.read_text())["refresh_token"])
    result = take_over(product, file)
    assert result.returncode == 77
    assert "the other program's token is refused" in result.stderr
    assert not (product.state / "tokens" / f"{ADDRESS}.json").exists()
    assert product.config_file.read_text() == config
    assert product.login(stack).returncode == 0
    mine = product.stored()
    assert take_over(product, file, "--replace").returncode == 77
    assert product.stored() == mine, "it does not take the place of a good one either"


def test_a_server_that_is_down_loses_nothing(product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC)
    refresh_token = json.loads(file.read_text())["refresh_token"]
    stack.fault("unavailable")
    result = take_over(product, file)
    assert result.returncode == 75, result.stderr
    assert product.stored()["refresh_token"] == refresh_token
    stack.fault(None)
    works(product, stack)


def test_a_new_refresh_token_is_kept_whatever_the_mailbox_says(
    product: Product, stack: AuthorizationServer, dovecot: Dovecot
) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC)
    old = json.loads(file.read_text())["refresh_token"]
    text = product.config_file.read_text()
    product.configure(text.replace(f"pop3_port = {dovecot.pop3s_port}", "pop3_port = 1"))
    result = take_over(product, file)
    assert result.returncode == 75
    assert "is imported, but" in result.stderr
    assert product.stored()["refresh_token"] not in ("", old)
    product.configure(text + f'\n[accounts."{ADDRESS}"]\nprovider = "example"\n')
    works(product, stack)


def test_somebody_else_s_token(product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC, user="bob@example.org")
    result = take_over(product, file)
    assert result.returncode == 77
    assert "does not open the mailbox" in result.stderr


def test_without_a_check_nobody_is_asked(product: Product, stack: AuthorizationServer) -> None:
    file = getmail_file(stack, product.home, NATIVE_PUBLIC)
    stack.stop()
    try:
        result = take_over(product, file, "--no-check")
    finally:
        stack.start()
    assert result.returncode == 0, result.stderr
    assert product.stored()["refresh_token"] == json.loads(file.read_text())["refresh_token"]
    assert product.token() == json.loads(file.read_text())["access_token"], "it has not ended yet"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b'"x"', b"{}", b"[" * 99999, b"\xff\xfe", b"-----BEGIN PGP MESSAGE-----\n", b"[a]\nb=c\n"),
        *(b'{"refresh_token": 7}', b'{"refresh_token": ""}', b'{"token_uri": null}', b"refresh_token_file=/nowhere\n"),
        b'{"registration": [], "access_token_expiration": {}}',
        b'{"refresh_token": "a\\nb", "user": "ann@gmail.com", "client_id": "x"}',
        *(b"[a@b]\ntoken_salt\n", b"[a@b]\nrefresh_token=x\ntoken_salt=\xff"),
        b"[a@b]\nrefresh_token=x\ntoken_salt=!\n",
        b"[a@b]\nrefresh_token=x\ntoken_salt=eA==\ntoken_iterations=99999999999\n",
    ],
)
def test_a_file_that_is_none_or_damaged(content: bytes, product: Product) -> None:
    file = product.home / "file"
    file.write_bytes(content)
    result = take_over(product, file, "--password-command", "echo x", "--account", "a@b", "--provider", "google")
    assert result.returncode in (64, 78), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("oauth2-pop3: ")
    assert not (product.state / "tokens").exists() or not list((product.state / "tokens").iterdir())


def test_one_that_fails_does_not_stop_the_others(product: Product, stack: AuthorizationServer) -> None:
    bad = write(product.home / "bad", "nothing")
    good = getmail_file(stack, product.home, NATIVE_PUBLIC)
    result = product.run("import", str(bad), str(good), str(product.home / "missing"))
    assert result.returncode == 78
    assert f"{ADDRESS} is ready" in result.stdout
    assert "bad" in result.stderr
    assert "missing" in result.stderr


def test_another_client_than_the_config_s(product: Product, stack: AuthorizationServer) -> None:
    """Its secret is not sent for the config's client, nor the other way round."""
    file = getmail_file(stack, product.home, NATIVE_CONFIDENTIAL)
    product.configure(product.config_file.read_text() + 'client_secret_command = "echo wrong"\n')
    result = take_over(product, file)
    assert result.returncode == 78
    assert "--client-secret-command" in result.stderr
    secret = write(product.home / "secret", NATIVE_CONFIDENTIAL.client_secret)
    assert take_over(product, file, "--client-secret-command", f"cat {secret}").returncode == 0
    works(product, stack, NATIVE_CONFIDENTIAL)


def test_the_help_names_every_program() -> None:
    assert import_tokens.__doc__ is not None
    for program in ("getmail-gmail-xoauth-tokens", "mutt_oauth2", "sasl-xoauth2", "fetchmail-oauth2", "emailproxy"):
        assert program in import_tokens.__doc__
