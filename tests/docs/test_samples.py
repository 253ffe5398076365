"""Every sample of a configuration file is read by the program whose file it is; every piece of Python is run."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from docs.conftest import Playground
from servers import programs
from support import CONTRIB
from support.documents import GUIDES, Block, all_blocks, blocks
from support.product import Getmail, Product, run

NEEDS_USERS = ("multidrop",)
"""A sample that delivers to users of a machine. tests/hosts/getmail6 has a multidrop maildrop."""


def samples(language: str, folder: str = "") -> pytest.MarkDecorator:
    """Parametrize by the blocks in a language, and by the files of a folder of contrib."""
    files = sorted((CONTRIB / folder).iterdir()) if folder else []
    found = [Block(file, 1, language, file.read_text()) for file in files if file.name not in NEEDS_USERS]
    return pytest.mark.parametrize("block", [*all_blocks(language), *found], ids=str)


# --- ours


def config_error(product: Product, text: str) -> str:
    """What the product says against a config.toml: each provider is built, and each account."""
    product.configure(text)
    tokens = [["token", address] for address in tomllib.loads(text).get("accounts", {})]
    said = ""
    for arguments in (["providers"], ["status"], *tokens):
        result = product.run(*arguments)
        said += result.stderr if result.returncode == 78 or "unknown key" in result.stderr else ""
    return said


@samples("toml")
def test_config_toml(block: Block, product: Product) -> None:
    document = tomllib.loads(block.text)
    if "project" in document:
        return  # test_the_plugins_of_the_guide runs it
    assert config_error(product, block.text) == ""


@pytest.mark.parametrize("table", ["[providers.google]", '[accounts."you@gmail.com"]\nprovider = "google"'])
def test_a_wrong_key_is_found(table: str, product: Product) -> None:
    """The negative control."""
    assert "cleint_id" in config_error(product, f'{table}\ncleint_id = "1"\n')


# --- getmail, fetchmail, mpop


@samples("ini", "getmailrc")
def test_getmailrc(block: Block, getmail: Getmail) -> None:
    text = block.text
    if "[destination]" not in text:
        text += f"[destination]\ntype = Maildir\npath = {getmail.maildir}/\n"
    rc = getmail.configure("")
    rc.write_text(re.sub(r"~/Maildir[a-z-]*/", f"{getmail.maildir}/", text))
    result = getmail.run("--dump")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^  retriever:  oauth2-pop3\(", result.stdout, re.MULTILINE)
    assert result.stderr == ""


@samples("fetchmailrc", "fetchmailrc")
def test_fetchmailrc(block: Block, home: Path) -> None:
    rc = home / ".fetchmailrc"
    rc.write_text(block.text)
    rc.chmod(0o600)
    result = run(programs.find("fetchmail"), "--configdump", "-f", str(rc), check=True)
    assert "oauth2-pop3 bridge" in result.stdout
    quiet = run(programs.find("fetchmail"), "--version", "-f", str(rc), check=True)
    assert "995" not in quiet.stderr, "it would be said at every poll"


def test_fetchmail_warns_of_port_995(home: Path) -> None:
    """What the guide says of it."""
    (block,) = all_blocks("fetchmailrc")
    rc = home / ".fetchmailrc"
    rc.write_text(block.text.replace("auth password", "auth password port 995"))
    rc.chmod(0o600)
    result = run(programs.find("fetchmail"), "--version", "-f", str(rc))
    assert "995" in result.stderr
    assert "port 995" in (GUIDES / "fetchmail.md").read_text()


@samples("mpoprc", "mpoprc")
def test_mpoprc(block: Block, playground: Playground, lived_in: Product) -> None:
    rc = lived_in.home / ".mpoprc"
    rc.write_text(block.text)
    rc.chmod(0o600)
    result = run(programs.find("mpop"), "-C", str(rc), "--pretend", check=True)
    assert re.search(r"^auth = XOAUTH2$", result.stdout, re.MULTILINE)
    assert re.search(r"^passwordeval = oauth2-pop3 token you@gmail\.com$", result.stdout, re.MULTILINE)
    assert playground.sandboxes


# --- systemd, cron, shell


@pytest.mark.parametrize("script", sorted(CONTRIB.rglob("*.sh")), ids=lambda path: path.name)
def test_a_script(script: Path) -> None:
    run("sh", "-n", str(script), check=True)


@pytest.mark.parametrize("unit", sorted((CONTRIB / "systemd").iterdir()), ids=lambda path: path.name)
def test_a_unit_of_systemd(unit: Path, home: Path) -> None:
    programs.find("systemd-analyze")
    directory = home / "units"
    directory.mkdir()
    for path in unit.parent.iterdir():
        name = path.name.replace("@.", "@one.") if path == unit else path.name
        (directory / name).write_text(path.read_text().replace("%h/.local/bin/", f"{Path(sys.executable).parent}/"))
    name = unit.name.replace("@.", "@one.")
    result = run("systemd-analyze", "--user", "--man=no", "verify", str(directory / name))
    assert result.returncode == 0, result.stderr
    assert name not in result.stderr, result.stderr


def test_the_crontab_of_the_guide_is_contribs() -> None:
    (block,) = blocks(GUIDES / "commands.md", "crontab")
    lines = [line for line in (CONTRIB / "cron/getmail").read_text().splitlines() if not line.startswith("#")]
    assert block.text.splitlines() == lines
    for line in lines:
        assert re.fullmatch(r"([0-9*/]+ ){5}\S.*", line)


# --- plugins


@pytest.fixture
def plugins(home: Path) -> Path:
    """A directory like site-packages with the modules of the guide, and the entry points that announce them."""
    directory = home / "plugins"
    directory.mkdir()
    modules = []
    for block in blocks(GUIDES / "plugins.md", "python"):
        name = block.text.split()[1]
        assert name.endswith(".py"), f"{block}: begin with a comment that names the file"
        (directory / name).write_text(block.text)
        modules += [] if name.startswith("test_") else [name.removesuffix(".py")]
    (pyproject,) = (tomllib.loads(block.text) for block in blocks(GUIDES / "plugins.md", "toml"))
    entry_points = pyproject["project"]["entry-points"]["oauth2_pop3"]
    assert set(entry_points.values()) <= set(modules)
    for module in modules:
        info = directory / f"{module}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[oauth2_pop3]\n{module.removeprefix('oauth2_pop3_')} = {module}\n")
    return directory


def test_the_plugins_of_the_guide(plugins: Path, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    product.configure('token_store = "memory"\n[accounts."you@example.org"]\nprovider = "example"\nclient_id = "1"\n')
    result = product.run("providers", check=True)
    assert re.search(r"^example +example$", result.stdout, re.MULTILINE)
    assert result.stderr == ""
    refused = product.run("token", "you@example.org")
    assert refused.returncode == 77, refused.stderr
    assert "no token for you@example.org" in refused.stderr, "it is the store of the guide that was asked"


def test_the_contract_test_of_the_guide(plugins: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_memory.py"]
    result = subprocess.run(command, cwd=plugins, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
