"""Find the provider of an address, and show where the answer comes from and how far to trust it.

It asks your config, the built-in table, the plugins, MX records, PACC, Mail Autoconfig, SRV records, and the POP3
server itself, in this order. It sends no token and no password. With --save it writes what it found into config.toml
as a provider.

With --json it prints an object with address, provider, known, source, trust, issuer, authorization_endpoint,
token_endpoint, scope, pop3_host, pop3_port, starttls, username, note, values (the provider's keys for config.toml) and
tried (a list of objects with name, outcome, detail).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3.cli.arguments import absolute_path

if TYPE_CHECKING:
    from oauth2_pop3.discovery.finding import FoundProvider

_KEYS = ("issuer", "authorization_endpoint", "token_endpoint", "scope", "pop3_host", "pop3_port", "starttls")


def add_arguments(parser: ArgumentParser) -> None:
    """ADDRESS [--save] [--json] [--ca-certs FILE]."""
    parser.add_argument("address", metavar="ADDRESS", help="a mail address")
    parser.add_argument("--save", action="store_true", help="write what was found into config.toml")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--ca-certs",
        metavar="FILE",
        type=absolute_path,
        default="",
        help="trust these certificate authorities (PEM), not the system's",
    )


def run(options: Namespace) -> None:
    """Print what was found; with --save, write it into config.toml first."""
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.cli.found_provider import lines
    from oauth2_pop3.discovery.ladder import discover

    config = Config.load()
    found = discover(options.address, config, ca_certs=options.ca_certs)
    saves = options.save and not found.known
    if saves:
        config.save_provider(found.provider.name, found.values)
    if options.json:
        print(json.dumps(_json_object(found), indent=1))
        return
    for line in lines(found):
        print(line)
    name = found.provider.name
    if saves:
        print(f"Saved as [providers.{name}] in {config.path}. Run: oauth2-pop3 login {found.address}")
    elif options.save:
        print(f"There is nothing to save. Run: oauth2-pop3 login {found.address} --provider {name}")


def _json_object(found: FoundProvider) -> dict[str, object]:
    """What was found, for --json."""
    row = found.provider
    return {
        "address": found.address,
        "provider": row.name,
        "known": found.known,
        "source": found.source,
        "trust": found.trust,
        **{key: getattr(row, key) for key in _KEYS},
        "username": found.username,
        "note": found.note,
        "values": dict(found.values),
        "tried": [vars(attempt) for attempt in found.tried],
    }
