"""No module but net's speaks HTTP or makes a TLS context. The sandbox does, but both its ends are on this machine."""

from __future__ import annotations

import re

import pytest

from support import ROOT

CLIENT = re.compile(r"^\s*(?:import|from) (?:requests|urllib\.request|http\.client|aiohttp|httpx)\b", re.MULTILINE)
CONTEXT = re.compile(r"\bcreate_default_context\(|\bSSLContext\(")


def found(pattern: re.Pattern[str]) -> set[str]:
    packages = (ROOT / "plugin" / "oauth2_pop3", ROOT / "hooks" / "oauth2_pop3_hooks")
    modules = [(path, str(path.relative_to(package))) for package in packages for path in package.rglob("*.py")]
    assert len(modules) > 100
    return {name for path, name in modules if pattern.search(path.read_text())}


@pytest.mark.parametrize(
    ("pattern", "modules"),
    [
        (CLIENT, {"net/https.py", "sandbox/browser.py"}),
        (CONTEXT, {"net/tls.py", "sandbox/foundation/loopback_server.py"}),
    ],
)
def test_who_goes_out(pattern: re.Pattern[str], modules: set[str]) -> None:
    assert found(pattern) == modules


@pytest.mark.parametrize("line", ["import urllib.request", "    from requests import get", "import http.client as h"])
def test_what_would_be_found(line: str) -> None:
    assert CLIENT.search(f"import os\n{line}\n")
    assert not CLIENT.search("from urllib.parse import quote\nrequests = []\nimport http.server\n")
