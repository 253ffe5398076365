"""The unmodified getmail knows `type = oauth2-pop3`, in each way of installing that people use."""

from __future__ import annotations

import importlib
import shutil
import zipfile
from pathlib import Path

import pytest

from servers import programs
from support import ROOT
from support.installs import Workshop, assert_type_known, fresh_getmail, interpreter
from support.product import Completed, run

pytest_plugins = ["support.installs_fixtures"]

PACKAGES = {"oauth2_pop3": ROOT / "plugin", "oauth2_pop3_hooks": ROOT / "hooks"}
STOCK = "type = SimplePOP3Retriever\nserver = 127.0.0.1\nport = 1\nusername = ann\npassword = secret"


def stock_type_works(home: Path, *command: str) -> Completed:
    """Run getmail with one of its own types."""
    getmail = fresh_getmail(home, *command)
    getmail.configure(STOCK)
    result = getmail.run("--dump")
    assert result.returncode == 0, result.stderr
    assert "retriever:  SimplePOP3Retriever(" in result.stdout
    return result


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


# --- what is built


def test_content_of_the_wheel(workshop: Workshop) -> None:
    modules = {
        f"{package}/{file}"
        for package, parent in PACKAGES.items()
        for file in files(parent / package)
        if "__pycache__" not in file
    }
    with zipfile.ZipFile(workshop.wheel) as wheel:
        content = {name: wheel.read(name) for name in wheel.namelist()}
    info = next(name for name in content if name.endswith(".dist-info/METADATA")).removesuffix("/METADATA")
    script = info.removesuffix("dist-info") + "data/scripts/oauth2-pop3"
    of_the_distribution = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    assert content.keys() == modules | of_the_distribution | {"oauth2_pop3.pth", "oauth2_pop3.start", script}
    assert {"oauth2_pop3/py.typed", "oauth2_pop3_hooks/py.typed", "oauth2_pop3/providers/providers.toml"} < modules
    assert content[script].startswith(b"#!python\n")  # the installer puts its interpreter there
    assert content[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    # site.py: a line of a .pth file is run when it begins with `import`, and all others are directories.
    (line,) = content["oauth2_pop3.pth"].decode("ascii").splitlines()
    assert line.startswith("import ")


def test_start_file_of_pep_829(workshop: Workshop) -> None:
    with zipfile.ZipFile(workshop.wheel) as wheel:
        text = wheel.read("oauth2_pop3.start").decode("utf-8")
    assert not text.startswith("\ufeff")
    (entry_point,) = text.splitlines()
    module, _, name = entry_point.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_source_distribution_builds_the_same_wheel(workshop: Workshop) -> None:
    contents = []
    for source in (ROOT, workshop.build_sdist()):
        with zipfile.ZipFile(workshop.build(source)) as wheel:
            contents.append({name: wheel.read(name) for name in wheel.namelist()})
    assert contents[0].keys() == contents[1].keys()
    assert contents[0] == contents[1]


# --- where Python reads .pth files


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_venv(workshop: Workshop, home: Path, version: str) -> None:
    venv = workshop.venv(workshop.wheel, "getmail6", python=interpreter(version))
    assert_type_known(home, venv / "bin/getmail")
    assert run(str(venv / "bin/oauth2-pop3"), "--version", check=True).stderr == ""
    silent = run(str(venv / "bin/python"), "-c", "pass", check=True)
    assert silent.stdout + silent.stderr == ""


def test_without_us_the_type_is_unknown(workshop: Workshop, home: Path) -> None:
    """The negative control of all tests here."""
    venv = workshop.venv("getmail6")
    with pytest.raises(AssertionError, match="has no attribute 'oauth2-pop3'"):
        assert_type_known(home, venv / "bin/getmail")


def test_editable_installation(workshop: Workshop, home: Path) -> None:
    venv = workshop.venv("getmail6")
    workshop.pip("install", "--editable", str(ROOT), python=venv)
    assert_type_known(home, venv / "bin/getmail")
    where = run(
        str(venv / "bin/python"),
        "-c",
        "import oauth2_pop3, oauth2_pop3_hooks as hooks\nprint(oauth2_pop3.__file__, hooks.__file__)",
        check=True,
    )
    assert where.stdout.split() == [str(parent / name / "__init__.py") for name, parent in PACKAGES.items()]


def test_user_installation_beside_debians_getmail(
    workshop: Workshop, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = debians_python()
    monkeypatch.setenv("PYTHONUSERBASE", str(home / "user"))
    workshop.pip("install", "--user", "--break-system-packages", str(workshop.wheel), python=python)
    assert_type_known(home, "/usr/bin/getmail")
    launcher = (str(home / "user/bin/oauth2-pop3"), "getmail")
    assert_type_known(home, *launcher)
    assert run(*launcher, "--version", check=True).stdout == run("/usr/bin/getmail", "--version").stdout
    # Python itself leaves the user's directory out with -s, and the type with it.
    with pytest.raises(AssertionError, match="has no attribute"):
        assert_type_known(home, python, "-s", "/usr/bin/getmail")


def debians_python() -> str:
    """The interpreter of /usr/bin/getmail; skips the test if the package getmail6 is not installed."""
    getmail = Path("/usr/bin/getmail")
    if not getmail.exists():
        programs.missing("Debian's getmail6 is not installed")
    return getmail.read_text().splitlines()[0].removeprefix("#!").strip()


def test_pipx_inject(workshop: Workshop, home: Path) -> None:
    pipx = workshop.tool("pipx")
    run(pipx, "install", "getmail6", check=True)
    run(pipx, "inject", "getmail6", str(workshop.wheel), check=True)
    assert_type_known(home, home / "bin/getmail")
    assert not (home / "bin/oauth2-pop3").exists()  # so the guide says --include-apps
    run(pipx, "inject", "--include-apps", "--force", "getmail6", str(workshop.wheel), check=True)
    assert_type_known(home, home / "bin/oauth2-pop3", "getmail")


def test_pipx_install(workshop: Workshop, home: Path) -> None:
    run(workshop.tool("pipx"), "install", f"oauth2-pop3[getmail] @ {workshop.wheel.as_uri()}", check=True)
    assert_type_known(home, home / "bin/oauth2-pop3", "getmail")


def test_uv_tool_install(workshop: Workshop, home: Path) -> None:
    uv = workshop.tool("uv")
    run(
        uv,
        "tool",
        "install",
        "getmail6",
        "--with-executables-from",
        f"oauth2-pop3 @ {workshop.wheel}",
        check=True,
    )
    assert_type_known(home, home / "bin/getmail")
    assert_type_known(home, home / "bin/oauth2-pop3", "getmail")


# --- where it does not


@pytest.fixture
def target(workshop: Workshop, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that `pip install --target` filled, on PYTHONPATH and PATH."""
    directory = home / "target"
    workshop.pip("install", f"--target={directory}", str(workshop.wheel), "getmail6")
    monkeypatch.setenv("PYTHONPATH", str(directory))
    monkeypatch.setenv("PATH", f"{directory}/bin:/usr/bin:/bin")
    with pytest.raises(AssertionError, match="has no attribute"):  # otherwise what follows would prove nothing
        assert_type_known(home, directory / "bin/getmail")
    return directory


def launchers(target: Path, venv: Path) -> list[tuple[str, ...]]:
    return [(str(venv / "bin/python"), "-m", "oauth2_pop3", "getmail"), (str(target / "bin/oauth2-pop3"), "getmail")]


def test_launcher_knows_the_type(workshop: Workshop, home: Path, target: Path) -> None:
    for launcher in launchers(target, workshop.venv()):
        assert_type_known(home, *launcher)


def test_launcher_keeps_arguments_and_exit_codes(workshop: Workshop, home: Path, target: Path) -> None:
    rc_files = {
        "good": STOCK,
        "a name with 'spaces' and *": STOCK,
        "nothing-required": "type = SimplePOP3Retriever",
        "unknown-type": "type = NoSuchRetriever",
    }
    getmail = fresh_getmail(home)
    for name, text in rc_files.items():
        getmail.configure(text, name=name)
    directory = ("--getmaildir", str(getmail.directory))
    expected = {
        ("--version",): 0,
        ("--no-such-option",): 2,
        ("--rcfile", "absent", *directory): 3,
        ("--rcfile", "good", "--dump", *directory): 0,
        ("--rcfile", "a name with 'spaces' and *", "--dump", *directory): 0,
        ("--rcfile", "good", *directory): 127,  # nobody listens
        ("--rcfile", "nothing-required", *directory): 2,
        ("--rcfile", "unknown-type", *directory): 4,  # getmail has no better word for it
    }
    venv = workshop.venv()
    for arguments, code in expected.items():
        plain = run(str(venv / "bin/python"), str(target / "bin/getmail"), *arguments)
        assert plain.returncode == code, (arguments, plain.stdout, plain.stderr)
        for launcher in launchers(target, venv):
            launched = run(*launcher, *arguments)
            assert launched.returncode == code, (arguments, launched.stderr)
            assert launched.stdout.splitlines()[:2] == plain.stdout.splitlines()[:2]
            if code != 4:
                assert launched.stderr == plain.stderr
            elif launched.stderr:
                assert "NoSuchRetriever" in launched.stderr


def test_launcher_ends_as_our_type_ends(workshop: Workshop, home: Path, target: Path) -> None:
    getmail = fresh_getmail(home, *launchers(target, workshop.venv())[0])
    getmail.configure("type = oauth2-pop3\nusername = ann@example.org")
    result = getmail.run()
    assert result.returncode == 127
    assert "oauth2-pop3 login ann@example.org" in result.stderr


def test_launcher_help(workshop: Workshop, target: Path) -> None:
    for launcher in launchers(target, workshop.venv()):
        result = run(*launcher, "--help", check=True)
        assert result.stderr == ""
        assert result.stdout.startswith("usage: oauth2-pop3 getmail")
        assert "--getmaildir=DIR" in result.stdout  # getmail's own


def test_launcher_without_getmail(workshop: Workshop, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = workshop.venv(workshop.wheel)
    monkeypatch.setenv("PATH", str(venv / "bin"))
    result = run(str(venv / "bin/oauth2-pop3"), "getmail", "--version")
    assert result.returncode == 78
    assert "pip install 'oauth2-pop3[getmail]'" in result.stderr


# --- the end of it, and what goes wrong


def test_uninstalling_leaves_nothing(workshop: Workshop, home: Path) -> None:
    venv = workshop.venv("getmail6")
    workshop.pip("install", "pluggy", "oauthlib", "requests", "dnspython", "tomlkit", python=venv)
    stock_type_works(home, str(venv / "bin/getmail"))
    run(str(venv / "bin/python"), "-m", "compileall", "-q", str(venv))
    before = files(venv)
    workshop.pip("install", "--no-deps", str(workshop.wheel), python=venv)
    assert_type_known(home, venv / "bin/getmail")
    for command in ("--version", "providers", "status"):
        run(str(venv / "bin/oauth2-pop3"), command, check=True)
    assert files(venv) > before
    workshop.pip("uninstall", "--yes", "oauth2-pop3", python=venv)
    assert files(venv) == before
    assert not [path for path in venv.rglob("*") if "oauth2" in path.name and "pop3" in path.name]
    assert stock_type_works(home, str(venv / "bin/getmail")).stderr == ""


def test_an_orphaned_pth_is_silent(workshop: Workshop, home: Path) -> None:
    venv = workshop.venv(workshop.wheel, "getmail6")
    (site_packages,) = venv.glob("lib/python*/site-packages")
    for package in PACKAGES:
        shutil.rmtree(site_packages / package)
    assert (site_packages / "oauth2_pop3.pth").exists()
    result = run(str(venv / "bin/python"), "-c", "pass", check=True)
    assert result.stdout + result.stderr == ""
    assert stock_type_works(home, str(venv / "bin/getmail")).stderr == ""


@pytest.mark.parametrize("lost", ["pluggy", "oauth2_pop3_hooks", "oauth2_pop3/hosts", "oauth2_pop3/pop3/sasl.py"])
def test_our_failure_is_one_line_and_no_harm_to_getmail(workshop: Workshop, home: Path, lost: str) -> None:
    venv = workshop.venv(workshop.wheel, "getmail6")
    (site_packages,) = venv.glob("lib/python*/site-packages")
    path = site_packages / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert stock_type_works(home, str(venv / "bin/getmail")).stderr == "", "nothing of oauth2-pop3 is loaded for it"
    getmail = fresh_getmail(home, venv / "bin/getmail")
    getmail.configure("type = oauth2-pop3\nusername = ann@example.org")
    result = getmail.run("--dump")
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("oauth2-pop3: "))
    assert Path(lost).stem in line
    assert "Traceback" not in result.stderr
    silent = run(str(venv / "bin/python"), "-c", "pass", check=True)
    assert silent.stdout + silent.stderr == ""


def test_a_damaged_startup_module_does_not_stop_python(workshop: Workshop, home: Path) -> None:
    venv = workshop.venv(workshop.wheel, "getmail6")
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "oauth2_pop3/startup.py").write_text("this is not Python\n")
    run(str(venv / "bin/python"), "-c", "pass", check=True)
    stock_type_works(home, str(venv / "bin/getmail"))
