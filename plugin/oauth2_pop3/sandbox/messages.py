"""Demo messages for the sandbox: friendly to read, and with everything that breaks careless retrievers."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

SENDER = "The sandbox <hello@sandbox.test>"

WELCOME = """Hello,

this message came by POP3 from the sandbox of oauth2-pop3. No password was used: an access token
opened the maildrop. When it expires, a refresh token gets the next one.

Look at the other messages: one has letters beyond ASCII, one is HTML, one has an attachment, and
one has lines that begin with a dot.
"""

EIGHT_BIT = """Grüße aus der Sandbox!

Čeština, ελληνικά, русский, 日本語, français: this message is sent as 8bit, as it was written.
If you can read it, no program on the way took it for ASCII.
"""

DOTS = """The next lines begin with a dot, which POP3 doubles on the wire (RFC 1939 section 3):

.
..
.hidden
...and this one with three.

If you saw four lines between the blank ones, all is well.
"""

HTML_AS_TEXT = "Two parts: this one is plain text, the other is HTML.\n"

HTML = """<!doctype html>
<html><body style="font-family: sans-serif">
<h1 style="color: #1a6fb5">Two parts</h1>
<p>The other one is plain text; this one is <b>HTML</b>, and says <q>naïve café</q>.</p>
</body></html>
"""

ATTACHED = "The attachment is a table that says what the other messages are for.\n"

TABLE = [
    ("message", "what it shows"),
    ("Welcome", "that it works"),
    ("8bit", "letters beyond ASCII"),
    ("HTML", "multipart/alternative"),
    ("Dots", "dot-stuffing"),
]


def demo_messages(recipient: str, count: int, first: int = 1) -> list[bytes]:
    """Write `count` messages to the recipient, numbered from `first`. The five kinds take turns."""
    makers = (_welcome, _eight_bit, _html, _attachment, _dots)
    return [_finish(makers[(number - 1) % len(makers)](), recipient, number) for number in range(first, first + count)]


def _welcome() -> EmailMessage:
    return _text("Welcome to the sandbox", WELCOME)


def _eight_bit() -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "Grüße: eight bits"
    message.set_content(EIGHT_BIT, cte="8bit")
    return message


def _html() -> EmailMessage:
    message = _text("HTML beside plain text", HTML_AS_TEXT)
    message.add_alternative(HTML, subtype="html")
    return message


def _attachment() -> EmailMessage:
    message = _text("With an attachment", ATTACHED)
    table = io.StringIO()
    csv.writer(table).writerows(TABLE)
    message.add_attachment(table.getvalue().encode(), maintype="text", subtype="csv", filename="messages.csv")
    return message


def _dots() -> EmailMessage:
    return _text("Lines that begin with a dot", DOTS)


def _text(subject: str, body: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message.set_content(body)
    return message


def _finish(message: EmailMessage, recipient: str, number: int) -> bytes:
    subject = message["Subject"]
    del message["Subject"]
    message["Subject"] = f"[{number}] {subject}"
    message["From"] = SENDER
    message["To"] = recipient
    message["Delivered-To"] = recipient  # a multidrop retriever sorts by it
    message["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=number))
    message["Message-ID"] = f"<{number}.{datetime.now(UTC):%Y%m%d%H%M%S%f}@sandbox.test>"
    return message.as_bytes()
