"""The README as the package index shows it. A build hook of hatchling, named in pyproject.toml.

The project has no public address, so the README's links into the repository would lead nowhere on the index's page.
There they become the names of the files, which the source distribution has. Other links stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK_INTO_THE_REPOSITORY = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)#\s]+)[^)\s]*\)")


def _name(link: re.Match[str]) -> str:
    text, path = link.groups()
    return f"`{path}`" if path.endswith(text) else f"{text} (`{path}`)"


def description(readme: str) -> str:
    """The README without links into the repository."""
    return _LINK_INTO_THE_REPOSITORY.sub(_name, readme)


class Description(MetadataHookInterface):
    """Sets `readme`, which pyproject.toml declares dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling for every build."""
        text = description((Path(self.root) / "README.md").read_text("utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
