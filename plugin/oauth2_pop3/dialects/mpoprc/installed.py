"""The mpop of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess

Version = tuple[int, ...]

DEBIAN_12: Version = (1, 4, 18)
"""What is assumed if there is no mpop on this machine."""


def installed_version() -> Version:
    """Ask mpop for its version."""
    mpop = shutil.which("mpop")
    if mpop:
        try:
            said = subprocess.run([mpop, "--version"], capture_output=True, timeout=10, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            said = b""
        if found := re.search(rb"mpop version (\d+)\.(\d+)\.(\d+)", said):
            return tuple(int(number) for number in found.groups())
    return DEBIAN_12
