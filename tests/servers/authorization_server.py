"""oidc-provider, the certified authorization server, run by Node.js: see authorization_server/server.mjs."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import secrets
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests

from servers import programs
from servers.certificates import Certificates

SERVER = Path(__file__).with_name("authorization_server") / "server.mjs"


class Client(NamedTuple):
    """A registered client. How it authenticates is written in server.mjs."""

    client_id: str
    client_secret: str = ""


NATIVE_PUBLIC = Client("native-public")
NATIVE_SHORT = Client("native-short")  # its access tokens live for SHORT_LIFETIME seconds
NATIVE_CONFIDENTIAL = Client("native-confidential", "a-secret-sent-in-the-body-0c1f")
NATIVE_BASIC = Client("native-basic", "a-secret-sent-in-the-header-77ad")
SERVICE_SECRET = Client("service-secret", "a-secret-of-a-service-3b90")
NATIVE_PASSWORD = Client("native-password")  # the password grant, only for PASSWORD
SERVICE_JWT = Client("service-jwt")  # private_key_jwt, RS256: AuthorizationServer.private_key_file
DOVECOT = Client("dovecot", "a-secret-to-introspect-with-5e21")

SECRETS = {
    client.client_id: client.client_secret for client in (NATIVE_CONFIDENTIAL, NATIVE_BASIC, SERVICE_SECRET, DOVECOT)
}
SHORT_LIFETIME = 3
PASSWORD = "päss & wörd=1+1"
SERVICE_ACCOUNT = "reader@a-project.iam.gserviceaccount.com"  # of the JWT bearer grant, with private_key_file
SERVICE_USERNAME = "shared@example.org"  # whose maildrop a token of client_credentials opens
SCOPE = "openid email offline_access mail"
MAIL_SCOPE = "urn:ietf:params:oauth:scope:mail"  # opens Dovecot as `mail` does


class AuthorizationServer:
    """A running authorization server; as a context manager it starts and stops.

    On its pages any user name with any password signs in: the account's id, the claim `email` and Dovecot's user.
    After stop() and start() it is at the same address and has forgotten every token.
    """

    def __init__(self, certificates: Certificates, directory: Path) -> None:
        self.ca_file = certificates.ca_file
        self.issuer = ""
        self.private_key_file = directory / "service-jwt.pem"
        self.stderr_file = directory / "authorization-server.log"
        self._certificates = certificates
        self._token_request_log = directory / "token-requests.jsonl"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        settings = {
            "certificate": str(self._certificates.server_pem),
            "key": str(self._certificates.server_key),
            "port": urlsplit(self.issuer).port or 0,
            "private_key_file": str(self.private_key_file),
            "secrets": SECRETS,
            "service_username": SERVICE_USERNAME,
            "service_account": SERVICE_ACCOUNT,
            "password": PASSWORD,
            "token_request_log": str(self._token_request_log),
        }
        self._token_request_log.touch()
        with self.stderr_file.open("a") as stderr:
            self._process = subprocess.Popen(
                [programs.find_node(), str(SERVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.issuer = self._order(settings)["issuer"]

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- faults

    def freeze(self) -> None:
        """Take connections (the kernel does) and respond to nothing, until thaw()."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def fault(self, name: str | None, *, times: int | None = None) -> None:
        """Make the token endpoint fail for `times` requests (None: for all), until fault(None).

        "429" or "429:SECONDS" (with Retry-After, 7 seconds unless told), "503" or another status; "drop": the
        connection ends before anything is done; "lost": it ends after all is done, the response is lost;
        "slow:SECONDS": it is done, late; "late": it is done and counted, but the response waits until fault(None).
        """
        self._order({"fault": name, "times": times})

    def reset(self) -> None:
        """Make sure that it runs, with no fault and no token requests counted. Tokens stay valid."""
        if self._process is None:
            self.start()
        self.thaw()
        self.fault(None)
        self._token_request_log.write_text("")

    def token_requests(self) -> list[dict[str, Any]]:
        """Each request to the token endpoint since reset().

        grant_type, client_id, status (0: connection dropped), and error and fault if there was one.
        """
        lines = self._token_request_log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]  # the last one may still be on its way

    def forget_client(self, client_id: str) -> None:
        """Delete a client that registered itself (RFC 7591); not one of those above. Its tokens become useless."""
        self._order({"forget_client": client_id})

    # --- what a person does

    def sign_in(
        self, authorization_url: str, username: str, *, consent: bool = True, follow_redirect: bool = True
    ) -> str:
        """Sign in through the pages, without a browser; returns the loopback URL to which they lead.

        With follow_redirect the URL is also fetched, so that the client that listens there gets it.
        """
        page = self._through_pages(authorization_url, username, consent=consent)
        url = page.headers.get("Location", "")
        if not url:
            raise AssertionError(f"no redirect from {page.url}: HTTP {page.status_code}\n{page.text}")
        if follow_redirect:
            with self._session() as session:
                session.get(url, headers={"Sec-Fetch-Mode": "navigate"}, timeout=60)
        return url

    def approve_device(self, verification_uri_complete: str, username: str, *, consent: bool = True) -> str:
        """Sign in at another device (RFC 8628); returns the HTML of the last page."""
        return self._through_pages(verification_uri_complete, username, consent=consent).text

    # --- what a client does

    def issue_tokens(self, username: str, *, client: Client = NATIVE_PUBLIC, scope: str = SCOPE) -> dict[str, Any]:
        """The token endpoint's whole response to a sign-in with an authorization code."""
        verifier = secrets.token_urlsafe(48)
        redirect_uri = "http://127.0.0.1:1/callback"
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        url = self.sign_in(f"{self.issuer}/auth?{urlencode(query)}", username, follow_redirect=False)
        code = parse_qs(urlsplit(url).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        response = self._post("/token", client, form)
        tokens: dict[str, Any] = response.json()
        assert response.ok, tokens
        return tokens

    def revoke(self, token: str, client: Client = NATIVE_PUBLIC) -> None:
        """RFC 7009. Revoking a refresh token ends its whole grant, the access tokens too."""
        response = self._post("/token/revocation", client, {"token": token})
        assert response.ok, response.text

    # --- inside

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the authorization server is not running"
        return self._process

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Write one JSON line to the server and read the line that comes back."""
        stdin, stdout = self._running.stdin, self._running.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        if not (line := stdout.readline()):
            raise RuntimeError(f"the authorization server ended:\n{self.stderr_file.read_text()}")
        result: dict[str, Any] = json.loads(line)
        return result

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca_file)
        return session

    def _post(self, path: str, client: Client, form: dict[str, str]) -> requests.Response:
        form = form | {"client_id": client.client_id}
        basic = (client.client_id, client.client_secret) if client == NATIVE_BASIC else None
        if client.client_secret and not basic:
            form["client_secret"] = client.client_secret
        with self._session() as session:
            return session.post(self.issuer + path, form, auth=basic, timeout=60)

    def _through_pages(self, url: str, username: str, *, consent: bool) -> requests.Response:
        """Fill in form after form; returns the redirect away from this server, or the first page without a form."""
        with self._session() as session:
            response = session.get(url, timeout=60, allow_redirects=False)
            refused = False
            while True:
                page = _Page(response.text)
                if location := response.headers.get("Location"):
                    url = urljoin(response.url, location)
                    if not url.startswith(self.issuer + "/"):
                        return response
                    response = session.get(url, timeout=60, allow_redirects=False)
                elif page.action is None or refused or not response.ok:
                    return response
                elif page.fields.get("prompt") == "consent" and not consent:
                    refused = True
                    response = session.get(urljoin(response.url, page.abort), timeout=60, allow_redirects=False)
                else:
                    given = {"login": username, "password": "any"}
                    form = {name: given.get(name, value) for name, value in page.fields.items()}
                    target = urljoin(response.url, page.action)
                    response = session.post(target, form, timeout=60, allow_redirects=False)


class _Page(html.parser.HTMLParser):
    """What a page of the authorization server asks for: one form, and a link to refuse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.abort = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "a" and given.get("href", "").endswith("/abort"):
            self.abort = given["href"]
