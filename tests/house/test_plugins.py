"""Third-party plugins, installed by pip beside oauth2-pop3: tests/plugins has one that works and two that do not."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support import ROOT
from support.installs import Workshop, assert_type_known, fresh_getmail
from support.product import Product, run

pytest_plugins = ["support.installs_fixtures"]

PLUGINS = ROOT / "tests" / "plugins"
EXAMPLE = PLUGINS / "oauth2-pop3-example"
ADDRESS = "eve@example.net"  # in the domain that the stranger's provider names
BROKEN = "oauth2-pop3: the plugin broken cannot be loaded: ModuleNotFoundError: No module named 'a_module_that_is_not"
STOCK = "type = SimplePOP3Retriever\nserver = 127.0.0.1\nport = 1\nusername = ann\npassword = secret"


@pytest.fixture(scope="module")
def _venv(_workshop: Workshop) -> Path:
    """A venv with oauth2-pop3, getmail and the plugin that works."""
    return _workshop.venv(_workshop.wheel, "getmail6", "pytest", _workshop.build(EXAMPLE, isolated=False))


@pytest.fixture
def venv(_venv: Path, workshop: Workshop) -> Path:
    return _venv


@pytest.fixture
def trouble(workshop: Workshop, venv: Path) -> Iterator[Path]:
    """A venv with the two plugins that do not work in addition."""
    names = [f"oauth2-pop3-{name}" for name in ("broken", "raising")]
    wheels = [str(workshop.build(PLUGINS / name, isolated=False)) for name in names]
    workshop.pip("install", "--no-deps", *wheels, python=venv)
    yield venv
    workshop.pip("uninstall", "--yes", *names, python=venv)


@pytest.fixture
def installed(venv: Path, home: Path) -> Product:
    """The `oauth2-pop3` of that venv."""
    product = Product(home)
    product.command = str(venv / "bin/oauth2-pop3")
    return product


@pytest.fixture
def site_packages(venv: Path) -> Iterator[Path]:
    """Where to put a plugin by hand; what is put there is removed."""
    (directory,) = venv.glob("lib/python*/site-packages")
    yield directory
    shutil.rmtree(directory / "a_plugin-1.dist-info")
    (directory / "a_plugin.py").unlink()


def configure(product: Product, server: AuthorizationServer, pop3: Dovecot) -> None:
    """Configure what the plugin's provider cannot know: where the servers of this run are. And its store."""
    product.configure(f"""\
        token_store = "sqlite"
        [providers.example-mail]
        issuer = "{server.issuer}"
        ca_certs = "{server.ca_file}"
        pop3_port = {pop3.pop3s_port}
        """)


def complaints(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("oauth2-pop3: ")]


@pytest.mark.parametrize(
    "names",
    [("providers",), ("SqliteStore", "token_stores"), ("retriever_types",)],
    ids=["provider", "store", "retriever-type"],
)
def test_each_takes_less_than_40_lines(names: tuple[str, ...]) -> None:
    tree = ast.parse((EXAMPLE / "oauth2_pop3_example.py").read_text())
    lines = 0
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines += (node.end_lineno or 0) - first + 1
    assert 5 < lines < 40


def test_its_provider_is_listed(installed: Product) -> None:
    result = installed.run("providers", check=True)
    assert result.stderr == ""
    assert re.search(r"^example-mail +Example Mail$", result.stdout, re.MULTILINE)
    assert re.search(r"^google ", result.stdout, re.MULTILINE)


def test_its_store_passes_our_contract(venv: Path, home: Path) -> None:
    shutil.copy(EXAMPLE / "store_contract.py", home / "test_store.py")  # where our conftest.py does not apply
    result = run(str(venv / "bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(home / "test_store.py"))
    assert result.returncode == 0, result.stdout
    assert "10 passed" in result.stdout


def test_getmail_knows_its_retriever_type(venv: Path, home: Path) -> None:
    assert_type_known(home, venv / "bin/getmail", kind="example-pop3")
    assert_type_known(home, venv / "bin/getmail")


def test_all_of_it_together(
    venv: Path, installed: Product, home: Path, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """Sign in with its provider, refresh in its store, be told, and fetch with its type."""
    configure(installed, authorization_server, dovecot)
    dovecot.clear(ADDRESS)
    dovecot.add_messages(ADDRESS, 3)
    result = installed.login(authorization_server, ADDRESS)
    assert result.returncode == 0, result.stderr
    assert (home / "tokens.sqlite").exists()
    assert not (installed.state / "tokens").exists()  # the built-in store was not used

    expire(home, installed)
    authorization_server.reset()
    refreshed = installed.run("token", ADDRESS, check=True)
    assert re.fullmatch(rf"example: {ADDRESS} has a new token until \d+\n", refreshed.stderr)
    assert installed.token(ADDRESS) == refreshed.stdout.strip()  # now warm, and silent
    assert [request["grant_type"] for request in authorization_server.token_requests()] == ["refresh_token"]

    getmail = fresh_getmail(home, venv / "bin/getmail")
    getmail.configure(f"type = example-pop3\nusername = {ADDRESS}")
    fetched = getmail.run()
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stderr == ""
    assert len(getmail.messages()) == 3
    assert all(b"\nX-Fetched-By: oauth2-pop3-example\n" in message for message in getmail.messages())

    assert installed.run("logout", ADDRESS).returncode == 0
    assert installed.run("token", ADDRESS).returncode == 77


def expire(home: Path, product: Product) -> None:
    """Let the access token have ended, in the stranger's store and in our cache."""
    script = (
        "import dataclasses, oauth2_pop3_example as e; s = e.SqliteStore();"
        f"s.save('{ADDRESS}', dataclasses.replace(s.load('{ADDRESS}'), expires_at=1))"
    )
    run(str(Path(product.command).with_name("python")), "-c", script, check=True)
    (product.state / "access" / ADDRESS).unlink()


def test_the_broken_ones_are_named_and_the_others_go_on(trouble: Path, installed: Product) -> None:
    result = installed.run("providers", check=True)
    assert "example-mail" in result.stdout
    assert "google" in result.stdout
    broken, raising = complaints(result.stderr)
    assert broken.startswith(BROKEN)
    assert raising == "oauth2-pop3: the plugin raising failed in providers: RuntimeError: nothing to offer in two lines"
    assert len(result.stderr.splitlines()) == 2


def test_the_broken_ones_do_not_harm_a_token(
    trouble: Path, installed: Product, home: Path, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    configure(installed, authorization_server, dovecot)
    result = installed.login(authorization_server, ADDRESS, "--no-check")
    assert result.returncode == 0, result.stderr
    expire(home, installed)
    result = installed.run("token", ADDRESS, check=True)
    assert result.stdout.count("\n") == 1
    lines = complaints(result.stderr)
    assert any(line.startswith(BROKEN) for line in lines)
    assert "oauth2-pop3: the plugin raising failed in token_refreshed: RuntimeError: not interested" in lines
    assert len(lines) == len(set(lines))
    assert f"example: {ADDRESS} has a new token" in result.stderr  # the other plugin was still told
    assert "Traceback" not in result.stderr
    assert installed.token(ADDRESS) == result.stdout.strip()  # warm: no plugin is asked


def test_the_broken_ones_do_not_harm_getmail(trouble: Path, home: Path) -> None:
    for retriever, kind in (
        (STOCK, "SimplePOP3Retriever"),
        (f"type = example-pop3\nusername = {ADDRESS}", "example-pop3"),
        (f"type = oauth2-pop3\nusername = {ADDRESS}", "oauth2-pop3"),
    ):
        getmail = fresh_getmail(home, trouble / "bin/getmail")
        getmail.configure(retriever)
        result = getmail.run("--dump")
        assert result.returncode == 0, result.stderr
        assert f"retriever:  {kind}(" in result.stdout
        if kind != "example-pop3":
            assert result.stderr == "", "no plugin is loaded for getmail's types and for oauth2-pop3"
            continue
        broken, raising = result.stderr.splitlines()
        assert broken.startswith(BROKEN)
        assert raising == "oauth2-pop3: the plugin raising failed in retriever_types: RuntimeError: no type"


WAYS = {
    "our name": ("oauth2-pop3", "", "another plugin has that name"),
    "a name twice": ("example", "", "another plugin has that name"),
    "exit": ("x", "raise SystemExit(3)", "SystemExit: 3"),
    "exit in a hook": ("x", "@hookimpl\ndef retriever_types(): raise SystemExit(3)", "SystemExit: 3"),
    "a name that is none": ("x", "@hookimpl\ndef retriever_types(): return {3: int}", "returned 3: type"),
    "no class": ("x", "@hookimpl\ndef retriever_types(): return {'a': 'text'}", "returned 'a': str"),
    "no mapping": ("x", "@hookimpl\ndef retriever_types(): return ['a']", "not a mapping"),
    "a later hook": ("x", "@hookimpl\ndef hook_of_tomorrow(): ...", "hook_of_tomorrow"),
    "unknown argument": ("x", "@hookimpl\ndef token_refreshed(account, colour): ...", "colour"),
    "recursion": ("x", "@hookimpl\ndef retriever_types(): return retriever_types()", "RecursionError"),
    "syntax": ("x", "def", "SyntaxError"),
}


@pytest.mark.parametrize("way", WAYS)
def test_other_ways_to_be_broken(venv: Path, home: Path, site_packages: Path, way: str) -> None:
    name, text, says = WAYS[way]
    put(site_packages, text, name)
    getmail = fresh_getmail(home, venv / "bin/getmail")
    for kind in ("oauth2-pop3", "example-pop3"):
        getmail.configure(f"type = {kind}\nusername = {ADDRESS}")
        result = getmail.run("--dump")
        if kind == "oauth2-pop3":
            assert (result.returncode, result.stderr) == (0, ""), "no plugin is loaded for ours"
            continue
        line = result.stderr.splitlines()[0]
        assert line.startswith(f"oauth2-pop3: the plugin {name} ")
        assert says in line
        if name != "example":  # of two with a name, one is left out
            assert result.returncode == 0, result.stderr
            assert f"retriever:  {kind}(" in result.stdout
            assert len(result.stderr.splitlines()) == 1


def put(site_packages: Path, text: str, name: str = "x") -> None:
    """Install a plugin of one module by hand, which is quicker than pip. The fixture takes it away again."""
    (site_packages / "a_plugin.py").write_text(f"from oauth2_pop3_hooks import hookimpl\n{text}\n")
    information = site_packages / "a_plugin-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: a-plugin\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[oauth2_pop3]\n{name} = a_plugin\n")


def test_getmails_own_types_and_ours_cannot_be_replaced(venv: Path, home: Path, site_packages: Path) -> None:
    put(site_packages, "@hookimpl\ndef retriever_types(): return {'SimplePOP3Retriever': int, 'oauth2-pop3': int}")
    for retriever in (STOCK, f"type = oauth2-pop3\nusername = {ADDRESS}"):
        getmail = fresh_getmail(home, venv / "bin/getmail")
        getmail.configure(retriever)
        result = getmail.run("--dump")
        assert result.returncode == 0, result.stderr


def test_what_a_plugin_prints_does_not_get_among_the_output(installed: Product, site_packages: Path) -> None:
    put(site_packages, "print('loaded')\n@hookimpl\ndef providers():\n    print('asked')\n    return {}")
    result = installed.run("providers", "--json", check=True)
    assert "example-mail" in {row["name"] for row in json.loads(result.stdout)}
    assert set(result.stderr.splitlines()) == {"loaded", "asked"}
