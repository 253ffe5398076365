"""Find the provider of an address: its POP3 server and authorization server, who says so, and how far to trust it.

Asked in turn: your config, the built-in table, MX records, PACC, Mail Autoconfig, SRV records, and the POP3 server
itself. No token and no password is sent. With --save what was found is written into config.toml as a provider.

With --json: an object with address, provider, known, source, trust, issuer, authorization_endpoint, token_endpoint,
scope, pop3_host, pop3_port, starttls, username, note, values (the rows of config.toml) and tried (name, outcome,
detail).
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauth2_pop3.discovery.ladder import Result

_KEYS = ("issuer", "authorization_endpoint", "token_endpoint", "scope", "pop3_host", "pop3_port", "starttls")


def add_arguments(parser: ArgumentParser) -> None:
    """ADDRESS [--save] [--json] [--ca-certs FILE]."""
    parser.add_argument("address", metavar="ADDRESS", help="a mail address")
    parser.add_argument("--save", action="store_true", help="write what was found into config.toml")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--ca-certs", metavar="FILE", default="", help="certificate authorities, instead of the system's"
    )


def run(options: Namespace) -> None:
    """Print what was found; then, with --save, write it."""
    from pathlib import Path

    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.cli.discovered import lines
    from oauth2_pop3.discovery.ladder import discover

    config = Config.load()
    ca_certs = str(Path(options.ca_certs).absolute()) if options.ca_certs else ""
    result = discover(options.address, config, ca_certs=ca_certs)
    saves = options.save and not result.known
    if saves:
        config.save_provider(result.provider.name, result.values)
    if options.json:
        print(json.dumps(as_object(result), indent=1))
        return
    for line in lines(result):
        print(line)
    name = result.provider.name
    if saves:
        print(f"Saved as [providers.{name}] in {config.path}. Run: oauth2-pop3 login {result.address}")
    elif options.save:
        print(f"There is nothing to save. Run: oauth2-pop3 login {result.address} --provider {name}")


def as_object(result: Result) -> dict[str, object]:
    """The same for --json."""
    row = result.provider
    return {
        "address": result.address,
        "provider": row.name,
        "known": result.known,
        "source": result.source,
        "trust": result.trust,
        **{key: getattr(row, key) for key in _KEYS},
        "username": result.username,
        "note": row.unsupported or result.note,
        "values": dict(result.values),
        "tried": [vars(rung) for rung in result.rungs],
    }
