"""The real servers and an empty home, for a program that is not run by pytest."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import programs
from servers.authorization_server import AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from support.product import Product


@dataclass
class Surroundings:
    """What the programs work with. directory: for files, removed at the end."""

    directory: Path
    product: Product
    server: AuthorizationServer
    dovecot: Dovecot
    certificates: Certificates

    def sign_in(self, *addresses: str) -> None:
        """Sign these users in. Earlier ones are forgotten."""
        self.product.use_built_in(self.server, self.dovecot, *addresses)
        for address in addresses:
            self.product.login(self.server, address).check_returncode()


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Start the servers, and point the environment at an empty home."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        home = directory / "home"
        places = {"HOME": ".", "XDG_CONFIG_HOME": ".config", "XDG_STATE_HOME": ".local/state"}
        for name, place in {**places, "XDG_CACHE_HOME": ".cache", "XDG_RUNTIME_DIR": ".run"}.items():
            (home / place).mkdir(mode=0o700, parents=True, exist_ok=True)
            os.environ[name] = str(home / place)
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), programs.SEARCH_PATH])
        (directory / "authorization-server").mkdir()
        certificates = Certificates(directory / "certificates")
        server = stack.enter_context(AuthorizationServer(certificates, directory / "authorization-server"))
        dovecot = stack.enter_context(Dovecot(certificates, server))
        yield Surroundings(directory, Product(home), server, dovecot, certificates)
