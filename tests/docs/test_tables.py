"""The tables of the guides have what the code has, no more and no less; links lead somewhere; the README is short."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

import oauth2_pop3_hooks.specs
from house.test_layers import FLOORS
from oauth2_pop3 import errors
from oauth2_pop3.accounts import config
from oauth2_pop3.hosts.getmail6.options import Options
from oauth2_pop3.providers.provider import Provider
from support import CONTRIB, ROOT
from support.documents import (
    GUIDES,
    all_blocks,
    code_in_first_column,
    documents,
    headings,
    inline_code,
    links,
    rows,
    section,
)
from support.product import Product

OAUTH2_POP3 = str(Path(sys.executable).with_name("oauth2-pop3"))
REFUSALS = ROOT / "plugin/oauth2_pop3/oauth2/refusals.toml"
MARKDOWN = [*documents(), ROOT / "CHANGELOG.md", ROOT / "tests/benchmarks/README.md"]
LANGUAGES = {"sh", "crontab", "toml", "ini", "fetchmailrc", "mpoprc", "python", "powershell", "text"}
"""The languages of fenced blocks. test_commands.py and test_samples.py say how each is tried."""


def once(names: list[str]) -> set[str]:
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    return set(names)


@cache
def usage(*command: str) -> str:
    """What --help says before its first empty line."""
    result = subprocess.run([OAUTH2_POP3, *command, "--help"], capture_output=True, text=True, check=True)
    return result.stdout.partition("\n\n")[0]


COMMANDS = re.findall(
    r"^    ([a-z-]+)(?=\s)",
    subprocess.run([OAUTH2_POP3, "--help"], capture_output=True, text=True, check=True).stdout,
    re.MULTILINE,
)


# --- config.toml


def test_the_keys_of_a_provider() -> None:
    named = once(code_in_first_column(section(GUIDES / "config.md", "Keys of a provider")))
    assert named == {field.name for field in fields(Provider)} - {"name"}


@pytest.mark.parametrize(
    ("heading", "table"),
    [("Keys at the top level", ""), ("Keys of an account", '[accounts."ann@example.org"]\nprovider = "google"\n')],
)
def test_other_keys_of_config_toml(heading: str, table: str, product: Product) -> None:
    """The product's own error for an unknown key shows whether it knows one."""
    named = once(code_in_first_column(section(GUIDES / "config.md", heading)))
    product.configure(f"{table}no_such_key = 1\n")
    refusal = product.run("status")
    assert "no_such_key" in refusal.stdout + refusal.stderr, "it no longer refuses an unknown key"
    if not table:
        (known,) = re.findall(r"\w+(?:, \w+){2,}", refusal.stderr)
        assert named == set(known.split(", "))
    for key in named - {"providers", "accounts"}:
        product.configure(table.replace("provider =", "#") * (key == "provider") + table * (key != "provider"))
        with product.config_file.open("a") as file:
            file.write(f"{key} = [[]]\n")  # a value that no key takes
        result = product.run("status")
        said = result.stdout + result.stderr
        assert key in said, said
        assert "unknown" not in said, said


def test_where_config_toml_is(product: Product) -> None:
    assert product.config_file == config.config_file()


# --- getmail


def test_the_options_of_a_getmailrc() -> None:
    text = section(GUIDES / "getmail.md", "Options")
    table, _, without_effect = text.rpartition("|\n")
    named = once(code_in_first_column(f"{table}|"))
    ours = {field.name for field in fields(Options)} - {"superfluous"}
    assert named == ours
    superfluous = set(re.findall("`([a-z_0-9]+)`", without_effect.partition(" of getmail's")[0]))
    assert superfluous == set(Options.names()) - ours


@pytest.mark.parametrize("row", [row for row in rows(section(GUIDES / "getmail.md", "Options")) if row[1]], ids=str)
def test_the_defaults_of_the_options(row: list[str]) -> None:
    defaults = {field.name: field.default for field in fields(Options)}
    for name in re.findall("`([a-z_0-9]+)`", row[0]):
        said = row[1].strip("`")
        if said.startswith("("):
            assert ast.literal_eval(said) == defaults[name]
        elif said not in ("username", "the provider's"):
            assert said == str(defaults[name]).lower()


# --- commands


def test_every_command_has_a_section() -> None:
    file = GUIDES / "commands.md"
    assert COMMANDS
    in_table = [re.sub(r"[\[`\]]|\(.*", "", row[0]) for row in rows(file.read_text().partition("## Exit codes")[0])]
    assert in_table == COMMANDS
    assert [heading for heading in headings(file) if heading in COMMANDS] == COMMANDS


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "getmail"])
def test_every_option_of_a_command_is_in_its_section(command: str) -> None:
    cells = code_in_first_column(section(GUIDES / "commands.md", command))
    named = once([re.match(r"--[a-z-]+", cell)[0] for cell in cells if cell.startswith("--")])  # type: ignore[index]
    assert named == set(re.findall(r"--[a-z][a-z-]*", usage(command)))


def test_the_exit_codes() -> None:
    classes = [item for item in vars(errors).values() if isinstance(item, type)]
    codes = {str(item.exit_code) for item in classes if issubclass(item, errors.OAuth2Pop3Error)}
    for guide, more in (("commands", {"0", "130"}), ("troubleshooting", {"130"})):
        heading = "Exit codes" if guide == "commands" else "By exit code"
        named = {row[0] for row in rows(section(GUIDES / f"{guide}.md", heading))}
        assert named == codes | more, guide


# --- plugins


def test_the_hooks() -> None:
    text = section(GUIDES / "plugins.md", "The hooks")
    specified = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(oauth2_pop3_hooks.specs).items()
        if inspect.isfunction(function) and function.__module__ == "oauth2_pop3_hooks.specs"
    }
    assert {row[0].strip("`"): re.findall("`(.+?)`", row[1]) for row in rows(text)} == specified


# --- the house


def test_the_floors_that_are_drawn() -> None:
    text = section(CONTRIB / "contributing.md", "The floors")
    (block,) = (block for block in all_blocks("text") if "cli/commands" in block.text)
    lines = re.sub(r"\n +", " ", block.text).splitlines()[::-1]
    drawn = [set(line.split()[1:]) for line in lines]
    assert [line.split()[0] for line in lines] == [str(number) for number in range(len(lines))]
    assert drawn == [set(floor) for floor in FLOORS]
    assert once(code_in_first_column(text)) == set().union(*drawn)


# --- what the guides say about providers


def test_the_codes_of_microsoft_are_known_to_the_product() -> None:
    known = {row["match"] for row in tomllib.loads(REFUSALS.read_text())["refusal"]}
    named = set(re.findall("AADSTS[0-9]+", (GUIDES / "microsoft.md").read_text()))
    assert named
    assert named <= known


def test_the_command_for_exchange_is_that_of_the_product() -> None:
    (block,) = all_blocks("powershell")
    told = (ROOT / "plugin/oauth2_pop3/providers/providers.toml").read_text()
    assert block.text.strip().replace("you@example.org", "ADDRESS") in told


@pytest.mark.parametrize("guide", ["google", "microsoft"])
def test_the_address_to_register_a_client_is_that_of_the_product(guide: str) -> None:
    told = (ROOT / "plugin/oauth2_pop3/providers/providers.toml").read_text()
    (address,) = re.findall("<(https://[^>]+)>", (GUIDES / f"{guide}.md").read_text())
    assert address in told


# --- form


@pytest.mark.parametrize("file", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for link in links(file):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in headings(target), link


def test_every_guide_is_in_the_map() -> None:
    linked = {(ROOT / link).resolve() for link in links(ROOT / "README.md") if "#" not in link}
    assert set(GUIDES.glob("*.md")) <= linked


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert text.split("\n\n")[1].startswith("**oauth2-pop3** "), "it begins by saying what it is"


@pytest.mark.parametrize("file", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_form_of_a_document(file: Path) -> None:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        assert len(line) <= 120 or line.startswith("|") or "](" in line, f"{file}:{number} is too long"
    for block in all_blocks():
        assert block.language in LANGUAGES, f"{block}: say in what language it is, and how it is tried"


@pytest.mark.parametrize("file", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_options_that_are_named_exist(file: Path) -> None:
    """Every `--option` that prose names is one of oauth2-pop3's, or of pip and the like."""
    known = set(re.findall(r"--[a-z][a-z-]*", "".join(usage(command) for command in COMMANDS if command != "getmail")))
    for code in inline_code(file):
        if code.startswith("--"):
            assert code.split()[0] in known | {"--quick", "--target", "--help"}, code
