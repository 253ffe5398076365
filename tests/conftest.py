"""The real servers, started once for all tests, and an empty home for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oauth2_pop3.oauth2 import metadata
from servers import programs
from servers.authorization_server import AuthorizationServer
from servers.browser import Browser
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from servers.smtp_sink import SmtpSink
from support import ROOT
from support.product import ADDRESS, Getmail, Product

MADE_ONCE = {"_workshop", "others"}
"""Fixtures that take long to make: all tests that use the same one run in the same worker of pytest-xdist."""
NOT_QUICK = MADE_ONCE | {
    "authorization_server",
    "any_getmail",
    "browser",
    "debian_packages",
    "dovecot",
    "dovecot_factory",
    "fetchmail",
    "getmail",
    "mail_server",
    "mpop",
    "play",
    "program",
    "sandbox",
}
"""Fixtures that start a server, a browser or a host: no test that uses one runs with --quick.

A test that asks for a program only while it runs is then skipped (programs.not_quick). Tests marked slow are left out.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run only what needs no server, browser or other program")


def pytest_configure(config: pytest.Config) -> None:
    programs.allowed = not config.getoption("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for name in MADE_ONCE.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(name))
    if config.getoption("quick"):
        quick: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            needs = NOT_QUICK.intersection(getattr(item, "fixturenames", ()))
            (others if needs or item.get_closest_marker("slow") else quick).append(item)
        config.hook.pytest_deselected(items=others)
        items[:] = quick


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """program("mpop"): its path; skips the test if it is not installed."""
    return programs.find


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def authorization_server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizationServer]:
    """oidc-provider, reset before each test."""
    with AuthorizationServer(certificates, tmp_path_factory.mktemp("authorization-server")) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates, authorization_server: AuthorizationServer) -> Iterator[Dovecot]:
    """Dovecot as most tests want it. All tests share its maildrops: use a user of your own."""
    with Dovecot(certificates, authorization_server) as server:
        yield server


@pytest.fixture(scope="session")
def smtp_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


@pytest.fixture(scope="session")
def mail_server(
    certificates: Certificates, authorization_server: AuthorizationServer, smtp_sink: SmtpSink
) -> Iterator[Dovecot]:
    """A Dovecot for POP3, IMAP and submission; each takes tokens with a scope of its own and no others."""
    for name in ("imap", "submission"):
        if not any(Path(directory, name).exists() for directory in ("/usr/lib/dovecot", "/usr/libexec/dovecot")):
            programs.missing(f"Dovecot has no {name}")
    with Dovecot(certificates, authorization_server, relay_port=smtp_sink.port) as server:
        yield server


@pytest.fixture
def dovecot_factory(
    certificates: Certificates, authorization_server: AuthorizationServer
) -> Iterator[Callable[..., Dovecot]]:
    """dovecot_factory(**options): one more Dovecot, with the options of the class, until the test ends."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Dovecot(certificates, authorization_server, **options))


@pytest.fixture(scope="session")
def browser(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(certificates, tmp_path_factory.mktemp("browser"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and an environment that leads nowhere else."""
    directory = tmp_path / "home"
    places = {
        "HOME": directory,
        "XDG_CONFIG_HOME": directory / ".config",
        "XDG_STATE_HOME": directory / ".local" / "state",
        "XDG_CACHE_HOME": directory / ".cache",
        "XDG_RUNTIME_DIR": tmp_path / "run",
    }
    for name, path in places.items():
        path.mkdir(mode=0o700, parents=True)
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), programs.SEARCH_PATH]))
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "SSL_CERT_FILE",
        }:
            monkeypatch.delenv(name)
    return directory


@pytest.fixture(autouse=True)
def _reset_authorization_server(request: pytest.FixtureRequest) -> None:
    """Make sure that no test meets a fault that another one left behind."""
    if "authorization_server" in request.fixturenames:
        server: AuthorizationServer = request.getfixturevalue("authorization_server")
        server.reset()


@pytest.fixture(autouse=True)
def _forget_metadata() -> None:
    """Forget what this process has kept of authorization servers, so that each test fetches their metadata again."""
    metadata.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of Dovecot's log beside a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("dovecot")
    if report.failed and isinstance(server, Dovecot):
        report.sections.append(("Dovecot's log", server.log()[-4000:]))
    return report


@pytest.fixture
def product(home: Path) -> Product:
    return Product(home)


@pytest.fixture
def signed_in(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Product:
    """The product with an account that has signed in, and an empty maildrop. Token requests are counted from here."""
    product.use(authorization_server, dovecot)
    assert product.login(authorization_server).returncode == 0
    authorization_server.reset()
    dovecot.clear(ADDRESS)
    return product


@pytest.fixture
def getmail(home: Path) -> Getmail:
    return Getmail(home)


@pytest.fixture(scope="session")
def debian_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """oauth2-pop3 beside Debian's getmail, as `pip install --user` puts it there. Returns the PYTHONUSERBASE."""
    for program in ("/usr/bin/python3", "/usr/bin/getmail"):
        if not Path(program).exists():
            programs.missing(f"Debian's getmail6 needs {program}")
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent  # shared by all workers; the first one fills it
    base = directory / "user-base"
    with (directory / "user-base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            _install_beside_debians_getmail(base)
    return base


def _install_beside_debians_getmail(base: Path) -> None:
    environment = {**os.environ, "PYTHONUSERBASE": str(base)}
    pip = [sys.executable, "-m", "pip", "--python", "/usr/bin/python3", "install", "--user", "--quiet"]
    subprocess.run([*pip, "--break-system-packages", str(ROOT)], env=environment, check=True)
    (site_packages,) = base.glob("lib/python3*/site-packages")
    shutil.copy(ROOT / "tests/support/usercustomize.py", site_packages)


@pytest.fixture(params=["PyPI", "Debian"])
def any_getmail(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Getmail:
    if request.param == "PyPI":
        return Getmail(home)
    base = request.getfixturevalue("debian_packages")
    base.parent.chmod(0o755)
    monkeypatch.setenv("PYTHONUSERBASE", str(base))
    return Getmail(home, "/usr/bin/getmail")
