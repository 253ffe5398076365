"""List the known providers: those that come with oauth2-pop3, from plugins, and from your config.

With --json: a list of objects with name, title, supported, issuer, authorization_endpoint, token_endpoint,
device_authorization_endpoint, revocation_endpoint, scope, imap_scope, smtp_scope, pop3_host, pop3_port, domains,
mechanisms, note, and unsupported (why there is no OAuth for POP3; "" if there is).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from oauth2_pop3.errors import one_line

_KEYS = (
    "name",
    "title",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
    "scope",
    "imap_scope",
    "smtp_scope",
    "pop3_host",
    "pop3_port",
    "domains",
    "mechanisms",
    "note",
    "unsupported",
)


def add_arguments(parser: ArgumentParser) -> None:
    """[--json]."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> None:
    """Print the table."""
    from oauth2_pop3.accounts import provider_registry
    from oauth2_pop3.accounts.config import Config

    rows = provider_registry.all_providers(Config.load())
    if options.json:
        objects = [
            {**{key: getattr(row, key) for key in _KEYS}, "supported": not row.unsupported} for row in rows.values()
        ]
        print(json.dumps(objects, indent=1))
        return
    for name, row in rows.items():
        where = row.unsupported or f"{row.pop3_host}:{row.pop3_port}" if row.pop3_host else row.unsupported
        print(f"{name:20} {one_line(row.display_name)}")
        print(f"{'':20} {one_line(where)}")
        if row.domains:
            more = f" and {len(row.domains) - 6} more" if len(row.domains) > 6 else ""
            print(f"{'':20} {', '.join(row.domains[:6])}{more}")
