"""The authorization server's pages: one for sign-in and consent, and those that say what went wrong."""

from __future__ import annotations

from html import escape

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { width: min(26rem, 88vw); padding: 2rem; border: 1px solid #8886; border-radius: 12px; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; }
label { display: block; margin: 1rem 0 .3rem; font-weight: 600; }
input, button { font: inherit; padding: .5rem; border: 1px solid #888; border-radius: 6px; }
input { width: 100%; box-sizing: border-box; }
li { overflow-wrap: anywhere; }
code { font-size: .9em; }
.buttons { display: flex; gap: .6rem; margin-top: 1.5rem; }
button { flex: 1; cursor: pointer; }
button[value=allow] { background: #1a6fb5; border-color: #1a6fb5; color: #fff; }
footer { margin-top: 1.5rem; font-size: .85rem; opacity: .75; }
"""


def consent_page(client_id: str, scopes: list[str], account: str) -> str:
    """Ask who signs in, and whether the client may have what it asks for (RFC 6749 section 4.1).

    The form is posted to the page's own address, which has the authorization request in its query. So a script can post
    `account` and `decision` (allow or deny) to the authorization URL without loading the page.
    """
    items = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    return _page(
        "Sign in",
        f"""<p><code>{escape(client_id)}</code> asks for:</p><ul>{items}</ul>
<form method="post">
<label for="account">Your mail address</label>
<input id="account" name="account" type="email" required value="{escape(account)}" autocomplete="off">
<div class="buttons">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>""",
    )


def error_page(title: str, text: str) -> str:
    """Tell a person what the client cannot be told by a redirect (RFC 6749 section 4.1.2.1)."""
    return _page(title, f"<p>{escape(text)}</p>")


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)} - oauth2-pop3 sandbox</title><style>{STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>
{body}
<footer>This is the sandbox of oauth2-pop3 on your own machine. It asks for no password.</footer>
</main></body></html>
"""
