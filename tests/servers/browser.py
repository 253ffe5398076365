"""Headless Chromium at the authorization server's pages: see authorization_server/browser.mjs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from servers import programs
from servers.certificates import Certificates

SCRIPT = Path(__file__).with_name("authorization_server") / "browser.mjs"


class LastPage(NamedTuple):
    """Where a sign-in ended, and what the person sees there."""

    url: str
    text: str
    screenshot: Path


class Browser:
    """A Chromium that trusts the test's certificate authority and no other change to its checks."""

    def __init__(self, certificates: Certificates, directory: Path) -> None:
        self.directory = directory
        self._node = programs.find_node()
        self._executable = programs.find("chromium", "chromium-browser", "google-chrome")
        self._environment = {**os.environ, "HOME": str(directory)}
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            self._environment.pop(name, None)
        database = directory / ".pki" / "nssdb"
        database.mkdir(parents=True)
        certutil = [programs.find("certutil"), "-d", f"sql:{database}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True)
        trust = ["-A", "-n", "tests", "-t", "C,,", "-i", str(certificates.ca_file)]
        subprocess.run([*certutil, *trust], check=True)

    def sign_in(self, url: str, username: str, *, consent: bool = True) -> LastPage:
        """Go from an authorization URL, or a verification_uri_complete, through all pages to the last one."""
        screenshot = self.directory / f"{len(list(self.directory.glob('*.png')))}.png"
        order = {
            "executable": self._executable,
            "url": url,
            "username": username,
            "consent": consent,
            "screenshot": str(screenshot),
        }
        command = [self._node, str(SCRIPT), json.dumps(order)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        page = json.loads(done.stdout)
        return LastPage(page["url"], page["text"], screenshot)
