"""The rules of the house: who may import whom, and what may be imported at module level."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support import ROOT

PLUGIN = ROOT / "plugin/oauth2_pop3"
HOOKS = ROOT / "hooks/oauth2_pop3_hooks"

LAYERS = [
    {"access_token_cache", "startup"},
    {"errors"},
    {
        "state_files",
        "tables",
        "tokens",
        "sasl",
        "tls",
        "host_file",
        "pop3_socket",
        "answer_bounds",
        "relay",
        "source_text",
        "token_files",
    },
    {
        "bridge_client",
        "bridge_password",
        "bridge_socket",
        "history",
        "providers",
        "refusals",
        "https",
        "config",
        "pop3_connection",
        "stores",
        "dialects",
        "unified_diff",
        "loopback_redirect",
        "read_ahead",
    },
    {"client_assertion", "discovered", "forecast", "notification", "pop3_dialogue", "scopes"},
    {"pop3", "spool"},
    {"requested", "token_endpoint"},
    {"discovery", "maildrop", "registration", "retrieval", "revocation"},
    {"accounts", "grants"},
    {"access", "discover", "translation"},
    {"sign_in_checks", "sign_out", "status"},
    {"check", "sign_in", "token_import"},
    {"bridge", "hosts"},
    {"bridge_listener", "sandbox"},
    {"cli"},
    {"__main__"},
]
"""From the bottom up: a module imports only what stands in a lower line; folders count as one."""

# What each may import at module level, because it is there for that.
HEAVY = {
    "requests": {"https"},
    "oauthlib": {"grants.authorization_code", "sandbox.request_validator", "sandbox.refusals"},
    "pluggy": set(),
    "argparse": {
        *("cli.login", "cli.token", "cli.status", "cli.providers", "cli.logout", "cli.getmail", "cli.sandbox"),
        *("cli.check", "cli.refresh", "cli.discover", "cli.import_tokens", "cli.translate", "cli.bridge"),
        "cli.bridge_password",
    },
    "getmailcore": {"hosts.getmail6", *(f"hosts.getmail6_{part}" for part in ("errors", "message", "progress"))},
    "dns": {"discovery.mx"},
    "tomlkit": {"sandbox.demonstration"},
    "tqdm": set(),
    "trustme": set(),
}


def modules() -> list[str]:
    return sorted(str(path.relative_to(PLUGIN).with_suffix("")).replace("/", ".") for path in PLUGIN.rglob("*.py"))


def tree(module: str) -> ast.Module:
    return ast.parse((PLUGIN / (module.replace(".", "/") + ".py")).read_text())


def imports(node: ast.AST) -> Iterator[str]:
    """The dotted names that stand in import statements below a node."""
    for statement in ast.walk(node):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            if statement.module == "oauth2_pop3":
                yield from (f"oauth2_pop3.{alias.name}" for alias in statement.names)
            else:
                yield statement.module


def imports_at_module_level(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from imports(child)
        else:
            yield from imports_at_module_level(child)


def layer(part: str) -> int:
    return next(number for number, line in enumerate(LAYERS) if part in line)


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_lower_layers(module: str) -> None:
    if module == "__init__":
        assert list(imports(tree(module))) == []
        return
    part = module.split(".")[0]
    for name in imports(tree(module)):
        if not name.startswith("oauth2_pop3."):
            continue
        imported = name.split(".")[1]
        if imported == part:
            continue  # of one folder: see below
        if (module, name) == ("__main__", "oauth2_pop3.cli"):
            continue
        assert layer(imported) < layer(part), f"{module} imports {name}, which is no lower layer"


_PARTS = ("mpoprc_syntax", "fetchmailrc_lexer", "fetchmailrc_syntax", "fetchmailrc_records", "getmailrc_syntax")
_GETMAIL6_PARTS = ("errors", "message", "options", "order", "progress")


@pytest.mark.parametrize("folder", ["grants", "discovery", "stores", "dialects", "hosts", "token_files"])
def test_the_modules_of_one_folder_do_not_import_one_another(folder: str) -> None:
    allowed = {  # a base class, and a host's own parts
        "stores": {"oauth2_pop3.stores"},
        "dialects": {"oauth2_pop3.dialects", *(f"oauth2_pop3.dialects.{part}" for part in _PARTS)},
        "token_files": {"oauth2_pop3.token_import.imported_token"},
        "hosts": {
            f"oauth2_pop3.hosts.getmail6_{part}" for part in ("errors", "message", "options", "order", "progress")
        },
    }
    for module in modules():
        if module.startswith(f"{folder}."):
            siblings = {name for name in imports(tree(module)) if name.startswith(f"oauth2_pop3.{folder}")}
            assert siblings <= allowed.get(folder, set()), module


@pytest.mark.parametrize("module", modules())
def test_heavy_imports_stand_only_in_the_modules_named_for_them(module: str) -> None:
    for name in imports_at_module_level(tree(module)):
        top = name.split(".")[0]
        assert top not in HEAVY or module in HEAVY[top], f"{module} imports {name} at module level"


def test_requests_has_one_importer_and_getmailcore_one_host() -> None:
    for top, only in (("requests", {"https"}), ("getmailcore", HEAVY["getmailcore"]), ("pluggy", set())):
        users = {module for module in modules() for name in imports(tree(module)) if name.split(".")[0] == top}
        # The sandbox is a browser's stand-in, not part of what signs in.
        assert {user for user in users if not user.startswith("sandbox.")} <= only


def test_hooks_import_only_pluggy_at_module_level() -> None:
    for path in HOOKS.glob("*.py"):
        for name in imports_at_module_level(ast.parse(path.read_text())):
            top = name.split(".")[0]
            allowed = {"pluggy", "oauth2_pop3_hooks"} | set(sys.stdlib_module_names)
            assert top in allowed or name == "oauth2_pop3.errors", f"{path.name} imports {name}"


def test_only_the_manager_uses_the_plugin_manager() -> None:
    users = {path.name for path in HOOKS.glob("*.py") if "PluginManager" in path.read_text()}
    assert users == {"manager.py"}


@pytest.mark.parametrize("module", ["oauth2_pop3.__main__", "oauth2_pop3.startup"])
def test_the_lowest_layer_imports_nothing(module: str) -> None:
    """Beside what a bare interpreter has loaded; __main__ is the warm path of `token`."""
    code = f"import sys; before = set(sys.modules); import {module}; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    ours = {"oauth2_pop3", module, "oauth2_pop3.access_token_cache"}
    assert set(loaded.split()) <= ours


def test_every_module_stands_in_the_map() -> None:
    parts = {module.split(".")[0] for module in modules()} - {"__init__"}
    assert parts == set().union(*LAYERS)


def test_a_command_does_not_load_the_others() -> None:
    """fetchmail starts a bridge at every poll, mpop a `token`."""
    program = (
        "import sys; from oauth2_pop3.cli import main\n"
        "try: main(['bridge', '--help'])\n"
        "finally: print(*(name for name in sys.modules if name.startswith('oauth2_pop3.cli.')), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr.split() == ["oauth2_pop3.cli.commands.bridge"]
    assert result.stdout.startswith("usage: oauth2-pop3 bridge ")
