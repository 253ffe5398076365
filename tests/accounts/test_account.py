"""An account, and what loading it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oauth2_pop3.accounts.account import load_account, make_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import ConfigError
from support.product import Product
from support.providers import built_providers

BUILT_IN = '[accounts."ann@gmail.com"]\nprovider = "google"\nclient_id = "1234"\n'
"""What `login` leaves behind: no [providers.X] table."""
BY_HAND = BUILT_IN.replace('provider = "google"\n', "")
DISCOVERED = """[providers.found-example]
issuer = "https://as.found.example"
scope = "mail"
pop3_host = "pop.found.example"
token_endpoint = "https://as.found.example/token"
authorization_endpoint = "https://as.found.example/authorize"
domains = ["found.example"]
""" + BUILT_IN.replace("google", "found-example")
"""What it leaves behind at a domain that discovery has found."""

LOOKS_FOR_PLUGINS = """
import importlib.metadata, sys
def entry_points(**_):
    raise SystemExit("looked for plugins")
importlib.metadata.entry_points = entry_points
from oauth2_pop3.accounts.account import load_account
{action}
"""


@pytest.mark.parametrize(
    "action",
    [
        "load_account('ann@gmail.com')",
        "load_account('sales@gmail.com').store",
        "load_account('ann@gmail.com').client()",
        "from oauth2_pop3.accounts.status import all_accounts; all_accounts()",
        "from oauth2_pop3.cli import main; sys.exit(main(['status']))",
    ],
)
@pytest.mark.parametrize("config", [BUILT_IN, BY_HAND, DISCOVERED], ids=["built in", "by hand", "discovered"])
def test_no_plugin_is_looked_for_while_ours_will_do(product: Product, config: str, action: str) -> None:
    """A scan of all entry points takes 100 ms, at each poll of fetchmail and getmail."""
    product.configure(config + '[accounts."sales@gmail.com"]\naccount = "ann@gmail.com"\n')
    code = LOOKS_FOR_PLUGINS.format(action=action)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_plugin_is_looked_for_where_ours_will_not_do(product: Product) -> None:
    """The negative control."""
    product.configure(BUILT_IN.replace("google", "somebody-s"))
    code = LOOKS_FOR_PLUGINS.format(action="load_account('ann@gmail.com')")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "looked for plugins" in result.stderr


def test_each_provider_is_built_once(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.configure(BUILT_IN)
    built = built_providers(monkeypatch)
    load_account("ann@gmail.com")
    assert built == ["google"]


def test_a_fault_is_told_at_the_place_where_it_stands(home: Path) -> None:
    """In the provider's row or in the account's table, whose keys take precedence."""
    path = home / ".config/oauth2-pop3/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[providers.google]\npop3_port = 0\n[accounts."ann@gmail.com"]\nprovider = "google"\n')
    with pytest.raises(ConfigError, match=r"config.toml:2: \[providers.google\] pop3_port"):
        load_account("ann@gmail.com")
    path.write_text('[providers.google]\nnote = "x"\n[accounts."ann@gmail.com"]\nprovider = "google"\npop3_port = 0\n')
    with pytest.raises(ConfigError, match=r"config.toml:5: \[accounts.ann@gmail.com\] pop3_port"):
        load_account("ann@gmail.com")


def test_what_is_asked_for_goes_before_what_was_written(home: Path) -> None:
    config = Config(home / "config.toml", accounts={"ann@gmail.com": {"client_id": "old", "token_store": "file"}})
    account = make_account("ann@gmail.com", "google", config, {"client_id": "new"})
    assert (account.provider.client_id, account.token_store_name) == ("new", "file")
    assert account.config is config
