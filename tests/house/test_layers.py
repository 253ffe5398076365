"""The rules of the house: which folders may import which, what may be imported at module level, and private names.

Each folder is on a floor and imports only folders of lower floors. contrib/contributing.md has a drawing of them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support import ROOT

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "access_token_cache"),
    ("files", "net", "providers", "dialects", "sandbox/foundation"),
    (
        *("oauth2", "pop3", "dialects/fetchmailrc", "dialects/getmailrc", "dialects/mpoprc"),
        *("sandbox/authorization_server", "sandbox/pop3_server"),
    ),
    ("oauth2/grants", "oauth2/registration", "retrieval", "stores", "sandbox"),
    ("oauth2_pop3_hooks",),
    ("accounts",),
    ("discovery", "token_import", "translation", "bridge", "hosts/getmail6"),
    ("sign_in", "startup"),
    ("cli",),
    ("cli/commands", "__main__"),
)
"""From the ground up. Modules directly in oauth2_pop3 are listed like folders."""

EMPTY = ("", "hosts")
"""Folders whose __init__ imports nothing and that hold no other module."""

# For each expensive package: the modules that may import it at module level, because using it is their purpose.
HEAVY: Mapping[str, tuple[str, ...]] = {
    "requests": ("net.https",),
    "oauthlib": (
        *("oauth2.grants.authorization_code",),
        *("sandbox.authorization_server.request_validator", "sandbox.authorization_server.refusal_error"),
    ),
    "pluggy": (),
    "argparse": ("cli.commands.*", "cli.arguments"),
    "getmailcore": tuple(
        f"hosts.getmail6.{name}" for name in ("retriever", "conf_items", "errors", "message", "progress")
    ),
    "cryptography": (),
    "dns": ("providers.dns_records",),
    "jwt": (),
    "keyring": (),
    "psycopg": (),
    "tomlkit": ("cli.demonstration",),
    "tqdm": (),
    "trustme": (),
}
PUBLIC_ALL_THE_SAME = ("_exit", "_replace")
"""Names with an underscore that the standard library documents: os._exit, and a method of every named tuple."""
FOREIGN_BASES = ("hosts.getmail6.retriever", "hosts.getmail6.message")
"""Modules whose classes derive from getmail's: getmail's subclasses have to use its private names."""


class House:
    """The modules below plugin/ and hooks/ of a repository, and what they import of one another."""

    def __init__(self, root: Path) -> None:
        self.trees: dict[str, ast.Module] = {}
        self._folders: dict[str, str] = {}
        for package, directory in (("oauth2_pop3", root / "plugin"), ("oauth2_pop3_hooks", root / "hooks")):
            for path in sorted((directory / package).rglob("*.py")):
                parts = path.relative_to(directory).with_suffix("").parts
                name = ".".join(part for part in parts if part != "__init__")
                self.trees[name] = ast.parse(path.read_text())
                folder = "/".join(parts[1:-1])
                root_module = package == "oauth2_pop3" and not folder and parts[-1] != "__init__"
                self._folders[name] = package if package != "oauth2_pop3" else parts[-1] if root_module else folder

    def modules(self) -> list[str]:
        """The names of the product's modules, without the package's, as in HEAVY."""
        return [name.partition(".")[2] for name in self.trees if name.startswith("oauth2_pop3.")]

    def folder(self, module: str) -> str:
        return self._folders[module]

    def folders(self) -> set[str]:
        return set(self._folders.values()) - set(EMPTY)

    def imports(self, module: str) -> Iterator[str]:
        """The modules of this repository that a module imports, anywhere in it."""
        for statement in ast.walk(self.trees[module]):
            if isinstance(statement, ast.Import):
                yield from (alias.name for alias in statement.names if alias.name in self.trees)
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                names = {f"{statement.module}.{alias.name}" for alias in statement.names}
                yield from names & self.trees.keys()
                if names - self.trees.keys() and statement.module in self.trees:
                    yield statement.module


def floor(folder: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if folder in rooms)


def violations(house: House) -> list[str]:
    """One line for each import that does not go down, each circle, and each use of another module's private name."""
    unknown = sorted(house.folders() - {room for rooms in FLOORS for room in rooms})
    found = [f"{folder} is on no floor" for folder in unknown]
    for module in house.trees:
        if house.folder(module) in EMPTY:
            found += [f"{module} imports {name}, but may import nothing" for name in house.imports(module)]
        elif house.folder(module) not in unknown:
            found += _upwards(house, module, unknown)
        found += [f"{module} uses the private name {name}" for name in _private_names(house.trees[module])]
        found += [f"{module} hides an import: {line}" for line in _hidden_imports(house.trees[module])]
    found += [f"a circle: {' -> '.join(circle)}" for circle in _circle(house)]
    return found


def _upwards(house: House, module: str, unknown: list[str]) -> Iterator[str]:
    here = house.folder(module)
    for name in house.imports(module):
        there = house.folder(name)
        if there not in (here, *unknown, *EMPTY) and floor(there) >= floor(here):
            yield f"{module} imports {name}: {there} is on floor {floor(there)}, {here} on floor {floor(here)}"


def _circle(house: House) -> list[list[str]]:
    graph = {m: {i for i in house.imports(m) if i != m and not m.startswith(f"{i}.")} for m in house.trees}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [error.args[1]]
    return []


def _private_names(tree: ast.Module) -> Iterator[str]:
    """Names with an underscore that this module imports, or uses of what it imports, or does not define itself."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if node.level or (node.module or "").startswith("oauth2_pop3")]
    imported = {alias.name for node in ours for alias in node.names}
    bound = {alias.asname or alias.name for node in ours for alias in node.names}
    own: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            imported.add(node.attr)
        elif isinstance(node, ast.Attribute):
            (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    found = imported | (used - own)
    yield from sorted(
        name for name in found - {*PUBLIC_ALL_THE_SAME} if name.startswith("_") and not name.startswith("__")
    )


def _hidden_imports(tree: ast.Module) -> Iterator[str]:
    """Imports that the other rules would not see: relative ones, of a bare package, or by a name in a string."""
    packages = {"oauth2_pop3", "oauth2_pop3_hooks"}
    for node in ast.walk(tree):
        relative = isinstance(node, ast.ImportFrom) and node.level
        if relative or (isinstance(node, ast.Import) and packages & {alias.name for alias in node.names}):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant) and str(named.value).startswith("oauth2_pop3"):
                yield ast.unparse(node)


def imports_at_module_level(node: ast.AST) -> Iterator[str]:
    """The dotted names that are imported when the module itself is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
        else:
            yield from imports_at_module_level(child)


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def test_folders_import_only_lower_floors(house: House) -> None:
    allowed = {f"oauth2_pop3.{name}" for name in FOREIGN_BASES}
    found = [line for line in violations(house) if not (line.split()[0] in allowed and "private name" in line)]
    assert found == []


def test_the_floors_name_no_folder_that_is_not_there(house: House) -> None:
    assert {room for rooms in FLOORS for room in rooms} == house.folders()


@pytest.mark.parametrize(
    ("where", "text", "expected"),
    [
        ("plugin/oauth2_pop3/net/bad.py", "import oauth2_pop3.accounts.access", "net.bad imports oauth2_pop3.accounts"),
        ("plugin/oauth2_pop3/net/bad.py", "def f():\n from oauth2_pop3_hooks import manager", "hooks is on floor 4"),
        ("hooks/oauth2_pop3_hooks/bad.py", "from oauth2_pop3.accounts import access", "accounts is on floor 5"),
        ("plugin/oauth2_pop3/net/bad.py", "from oauth2_pop3.files import state_files", "files is on floor 1"),
        ("plugin/oauth2_pop3/accounts/bad.py", "from oauth2_pop3.net.https import _session", "private name _session"),
        ("plugin/oauth2_pop3/accounts/bad.py", "def f(wire):\n return wire._socket", "private name _socket"),
        ("plugin/oauth2_pop3/net/bad.py", "from ..accounts import access", "hides an import: from ..accounts"),
        ("plugin/oauth2_pop3/net/bad.py", "import oauth2_pop3\noauth2_pop3.accounts.access", "hides an import: import"),
        (
            "plugin/oauth2_pop3/net/bad.py",
            "import importlib\nimportlib.import_module('oauth2_pop3.x')",
            "hides an import",
        ),
        (
            "plugin/oauth2_pop3/accounts/bad.py",
            "from oauth2_pop3.net import https\n_session = 1\nprint(https._session)",
            "private name _session",
        ),
        ("plugin/oauth2_pop3/attic/bad.py", "", "attic is on no floor"),
        ("plugin/oauth2_pop3/hosts/__init__.py", "import oauth2_pop3.errors", "may import nothing"),
        ("plugin/oauth2_pop3/accounts/access.py", "import oauth2_pop3.accounts.account", "a circle: "),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, where: str, text: str, expected: str) -> None:
    """The negative control: a small house that keeps the rules, and one file that breaks one of them."""
    sound = {
        "plugin/oauth2_pop3/__init__.py": "",
        "plugin/oauth2_pop3/errors.py": "",
        "plugin/oauth2_pop3/net/https.py": "from oauth2_pop3 import errors\n_session = None\n",
        "plugin/oauth2_pop3/files/state_files.py": "",
        "plugin/oauth2_pop3/accounts/account.py": "import oauth2_pop3.accounts.access\n",
        "plugin/oauth2_pop3/accounts/access.py": "from oauth2_pop3_hooks import manager\n",
        "hooks/oauth2_pop3_hooks/manager.py": "from oauth2_pop3.net import https\n",
    }
    for name, content in sound.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert violations(House(tmp_path)) == []
    (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / where).write_text(text)
    (line,) = violations(House(tmp_path))
    assert expected in line


def test_heavy_imports_stand_only_in_the_modules_named_for_them(house: House) -> None:
    for module in house.modules():
        for name in imports_at_module_level(house.trees[f"oauth2_pop3.{module}"]):
            named = HEAVY.get(name.split(".")[0])
            assert named is None or {module, f"{module.rpartition('.')[0]}.*"} & set(named), f"{module}: {name}"


def test_requests_has_one_importer_and_getmailcore_one_host(house: House) -> None:
    for top, only in (("requests", {"net.https"}), ("getmailcore", set(HEAVY["getmailcore"])), ("pluggy", set())):
        users = {m for m in house.modules() for name in _imported(house.trees[f"oauth2_pop3.{m}"]) if name == top}
        # The sandbox plays the part of a browser; signing in does not use it.
        assert {user for user in users if not user.startswith("sandbox.")} <= only


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_hooks_import_only_pluggy_at_module_level(house: House) -> None:
    allowed = {"pluggy", "oauth2_pop3_hooks", *sys.stdlib_module_names}
    for module, tree in house.trees.items():
        if house.folder(module) == "oauth2_pop3_hooks":
            for name in imports_at_module_level(tree):
                assert name.split(".")[0] in allowed or name == "oauth2_pop3.errors", f"{module} imports {name}"


def test_a_command_imports_no_other_command(house: House) -> None:
    for module in house.trees:
        if house.folder(module) == "cli/commands":
            others = {name for name in house.imports(module) if house.folder(name) == "cli/commands"} - {module}
            assert others == set(), module


def test_only_the_manager_uses_the_plugin_manager() -> None:
    sources = (ROOT / "hooks/oauth2_pop3_hooks").glob("*.py")
    users = {path.name for path in sources if "PluginManager" in path.read_text()}
    assert users == {"manager.py"}


@pytest.mark.parametrize("module", ["oauth2_pop3.__main__", "oauth2_pop3.startup", "oauth2_pop3.errors"])
def test_the_ground_and_the_doors_import_nothing(module: str) -> None:
    """They load nothing that a bare interpreter has not. __main__ is the warm path of `token`."""
    code = f"import sys; before = set(sys.modules); import {module}; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    ours = {"oauth2_pop3", module, "oauth2_pop3.access_token_cache", "__future__"}
    assert set(loaded.split()) <= ours


def test_a_command_does_not_load_the_others() -> None:
    """It matters because fetchmail starts a bridge, and mpop a `token`, at every poll."""
    program = (
        "import sys; from oauth2_pop3.cli import main\n"
        "try: main(['bridge', '--help'])\n"
        "finally: print(*(name for name in sys.modules if name.startswith('oauth2_pop3.cli.c')), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr.split() == ["oauth2_pop3.cli.commands", "oauth2_pop3.cli.commands.bridge"]
    assert result.stdout.startswith("usage: oauth2-pop3 bridge ")


def test_no_two_classes_have_one_name(house: House) -> None:
    """Nested ones apart, and those that begin with an underscore."""
    homes: dict[str, list[str]] = {}
    for module, tree in house.trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_every_folder_says_in_one_line_what_is_inside(house: House) -> None:
    for module, tree in house.trees.items():
        if house.folder(module) in module.replace(".", "/") and (ROOT / "plugin" / module.replace(".", "/")).is_dir():
            assert ast.get_docstring(tree), module
