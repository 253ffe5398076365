"""The description on the package index's page: the README, without links that lead nowhere from there."""

from __future__ import annotations

import re
import zipfile
from email.parser import BytesParser

from support import ROOT
from support.documents import GUIDES
from support.installs import Workshop

pytest_plugins = ["support.installs_fixtures"]


def test_the_description(workshop: Workshop) -> None:
    with zipfile.ZipFile(workshop.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(wheel.read(name))
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", text) == []
    for guide in GUIDES.glob("*.md"):
        assert f"`{guide.relative_to(ROOT)}`" in text
    assert text.lstrip().startswith("# oauth2-pop3")
