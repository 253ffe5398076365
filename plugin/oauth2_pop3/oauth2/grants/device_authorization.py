"""The device authorization grant (RFC 8628): the person types a short code at a URL, on whatever device has a browser.

::

    authorization = begin(client)
    print(authorization.verification_uri, authorization.user_code)
    response = wait(client, authorization)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from oauth2_pop3.errors import AuthorizationRequired, ConfigError, NetworkError, OAuthError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.grant import Person, PersonGrant, TokenResponse
from oauth2_pop3.oauth2.token import Token

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

DEFAULT_INTERVAL = 5
"""Seconds between two polls, if the server names no usable interval (section 3.2)."""
SHORTEST_INTERVAL = 1
SLOW_DOWN = 5
"""Seconds that each slow_down adds to the pauses before all later polls (section 3.5)."""
ASSUMED_LIFETIME = 300
"""Seconds, if the server gives no usable expires_in, which section 3.2 requires."""
LONGEST_LIFETIME = 3600
"""Seconds: nobody sits at a terminal for longer, whatever expires_in says."""
LONGEST_BACK_OFF = 60
"""Seconds between two polls at most while there is no connection, so that its return is noticed."""

_DEVICE_CODE_LIMIT, _USER_CODE_LIMIT, _URI_LIMIT = 8192, 64, 2048  # characters


@dataclass(frozen=True)
class DeviceAuthorization:
    """The device_authorization_endpoint's response (section 3.2), checked. A person may see all of it but device_code.

    verification_uri_complete: "" if there is none.
    expires_in, interval: seconds, within bounds that make sense.
    """

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int

    @classmethod
    def from_response(cls, response: Mapping[str, object]) -> DeviceAuthorization:
        """Read the endpoint's response. Raises OAuthError if a person could not be shown it or could not use it.

        An interval that is missing, not a number, not above 0 or longer than the codes live counts as DEFAULT_INTERVAL.
        Google, Yandex and Microsoft's older endpoint say verification_url.
        """
        device_code = _text(response.get("device_code"), _DEVICE_CODE_LIMIT)
        user_code = _text(response.get("user_code"), _USER_CODE_LIMIT).strip()
        page, complete = (
            _web_page(response.get(f"verification_uri{end}")) or _web_page(response.get(f"verification_url{end}"))
            for end in ("", "_complete")
        )
        for key, value in (
            ("device_code", device_code),
            ("user_code", user_code),
            ("verification_uri", page),
        ):
            if not value:
                raise OAuthError(
                    f"the response of the device_authorization_endpoint has no usable {key} (RFC 8628 section 3.2)",
                    hint="Check that this is the device_authorization_endpoint, and that no proxy is in between.",
                )
        expires_in = math.ceil(min(_number(response.get("expires_in")) or ASSUMED_LIFETIME, LONGEST_LIFETIME))
        interval = _number(response.get("interval")) or DEFAULT_INTERVAL
        if interval > expires_in:
            interval = min(DEFAULT_INTERVAL, expires_in)
        return cls(
            device_code=device_code,
            user_code=user_code,
            verification_uri=page,
            verification_uri_complete=complete,
            expires_in=expires_in,
            interval=max(SHORTEST_INTERVAL, math.ceil(interval)),
        )


class DeviceCode(PersonGrant):
    """The person types a short code on another device."""

    may_use = "device_authorization_endpoint"

    def sign_in(self, client: Client, person: Person, accept: Callable[[TokenResponse], Token]) -> Token:
        """Show the code, and wait until it has been entered."""
        authorization = begin(client)
        person.show_device(
            authorization.verification_uri, authorization.user_code, authorization.verification_uri_complete
        )
        return accept(wait(client, authorization))


def begin(client: Client) -> DeviceAuthorization:
    """Ask for a device_code and a user_code (sections 3.1 and 3.2).

    Raises ConfigError if the provider does not have this grant, or if its tokens would not open mailboxes; OAuthError,
    AuthorizationRequired and NetworkError.
    """
    provider = client.provider
    other_way = (
        "Sign in with a browser; if it is on another machine, paste the address of its last page. Run: "
        f"oauth2-pop3 login {client.account} --no-browser"
    )
    if provider.device_grant_note:
        note = provider.device_grant_note.strip().rstrip(".")
        raise ConfigError(f"the device authorization grant is of no use here: {note}", hint=other_way)
    if not provider.device_authorization_endpoint:
        raise ConfigError(
            f"no device_authorization_endpoint (RFC 8628) is known for {provider.display_name}", hint=other_way
        )
    # Section 3.1: the client authenticates as it does at the token endpoint, and errors look alike (section 3.2).
    try:
        parameters = {"scope": provider.scope} if provider.scope else {}
        response = token_endpoint.ask(client, parameters, endpoint=provider.device_authorization_endpoint)
    except OAuthError as error:
        if error.code != "unauthorized_client":
            raise
        # The client was registered only for a browser, and the grant may have been our own choice.
        raise OAuthError(error.message, code=error.code, hint=f"{error.hint} {other_way}") from error
    return DeviceAuthorization.from_response(response)


def wait(
    client: Client,
    authorization: DeviceAuthorization,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> TokenResponse:
    """Poll the token endpoint until the person has agreed (sections 3.4 and 3.5), and return its response.

    A temporary problem makes the pauses longer; it is not a reason to give up before the codes expire. sleep and clock
    take and give seconds. Raises AuthorizationRequired if the person declined or the time is over, and OAuthError.
    """
    parameters = {"grant_type": GRANT_TYPE, "device_code": authorization.device_code}
    deadline = clock() + authorization.expires_in
    interval = float(authorization.interval)
    pause = interval
    fault: NetworkError | None = None
    while (left := deadline - clock()) > 0:
        # Cut short at the end, unless that is sooner than the server wants to be asked again.
        sleep(min(pause, max(left, interval)))
        try:
            return token_endpoint.ask(client, parameters)
        except OAuthError as error:
            if error.code == "invalid_grant":
                raise _not_accepted(error, client.account) from error
            if error.code not in ("authorization_pending", "slow_down"):
                raise
            if error.code == "slow_down":
                interval += SLOW_DOWN
            pause, fault = interval, None
        except NetworkError as error:
            # Section 3.5: less often before each new try, by doubling the pause.
            back_off = min(2 * pause, LONGEST_BACK_OFF)
            pause, fault = max(interval, back_off, error.retry_after or 0), error
    raise _too_late(authorization, client.account, fault)


def _too_late(authorization: DeviceAuthorization, account: str, fault: NetworkError | None) -> AuthorizationRequired:
    message = f"the code {authorization.user_code} has expired before anybody entered it and agreed"
    if fault:
        message = f"the code {authorization.user_code} has expired. The last poll failed: {fault.message}"
    return AuthorizationRequired(message, code="expired_token", hint=f"Run: oauth2-pop3 login {account}")


def _not_accepted(error: OAuthError, account: str) -> AuthorizationRequired:
    return AuthorizationRequired(
        f"the device_code was not accepted: {error.message}",
        code=error.code,
        hint=f"It works once, and the response may have been lost on the way. Run: oauth2-pop3 login {account}",
    )


def _text(value: object, limit: int) -> str:
    """A string that can be shown on one line; "" for anything else, and for one that is too long."""
    return value if isinstance(value, str) and len(value) <= limit and value.isprintable() else ""


def _web_page(value: object) -> str:
    """A URL that a person can be sent to; "" for anything else, such as one that shows another host's name first."""
    url = _text(value, _URI_LIMIT)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        return ""
    return url if usable and " " not in url else ""


def _number(value: object) -> float:
    """A number above 0, which some servers write as a string; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0
    return number if math.isfinite(number) and number > 0 else 0
