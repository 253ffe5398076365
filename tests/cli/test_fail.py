"""What a command says of an error: what happened, and below it what to do next."""

from __future__ import annotations

import pytest

from oauth2_pop3.cli import fail
from oauth2_pop3.errors import ConfigError


@pytest.mark.parametrize(
    ("message", "hint", "about", "said"),
    [
        ("it broke", "", "", "oauth2-pop3: it broke\n"),
        ("it broke", "Mend it.", "", "oauth2-pop3: it broke\n  Mend it.\n"),
        ("it broke", "", "ann@example.org", "oauth2-pop3: ann@example.org: it broke\n"),
        ("ann@example.org broke", "", "ann@example.org", "oauth2-pop3: ann@example.org broke\n"),
    ],
)
def test_fail(message: str, hint: str, about: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(ConfigError(message, hint=hint), about=about) == 78
    assert capsys.readouterr() == ("", said)
