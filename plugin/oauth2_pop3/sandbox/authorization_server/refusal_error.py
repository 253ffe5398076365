"""A refusal by the sandbox's token endpoint, in the act's own words."""

from __future__ import annotations

import json
from typing import Any

from oauthlib.oauth2.rfc6749.errors import OAuth2Error


class RefusalError(OAuth2Error):
    """A refusal with exactly the body that the act has for its cause (RFC 6749 section 5.2)."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.error = body["error"]
        super().__init__(description=body.get("error_description"))
        self.status_code = 401 if self.error == "invalid_client" else 400
        self._body = body

    @property
    def json(self) -> str:
        """The body, including members that RFC 6749 does not define."""
        return json.dumps(self._body)
