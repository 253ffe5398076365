"""A certificate authority for one run of the tests, and what a server may show: good, or wrong in one way."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal, get_args

import trustme

Kind = Literal["good", "wrong-name", "expired", "self-signed"]

NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """PEM files in a directory that any user may read: Dovecot's processes are not ours.

    ca_file: the authority to trust. pem(kind) and key(kind): a server's chain and its private key.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        now = datetime.datetime.now(datetime.UTC)
        self._write("good", authority.issue_cert(*NAMES, common_name="localhost"))
        self._write("wrong-name", authority.issue_cert("elsewhere.example"))
        self._write(
            "expired",
            authority.issue_cert(
                *NAMES,
                not_before=now - datetime.timedelta(days=9),
                not_after=now - datetime.timedelta(days=2),
            ),
        )
        # From an authority that nobody trusts; to a client it is the same as a self-signed certificate.
        self._write("self-signed", trustme.CA().issue_cert(*NAMES))
        self.server_pem = self.pem("good")
        self.server_key = self.key("good")

    def pem(self, kind: Kind = "good") -> Path:
        assert kind in get_args(Kind), kind
        return self.directory / f"{kind}.pem"

    def key(self, kind: Kind = "good") -> Path:
        assert kind in get_args(Kind), kind
        return self.directory / f"{kind}.key"

    def _write(self, kind: Kind, certificate: trustme.LeafCert) -> None:
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(self.pem(kind), append=True)
        certificate.private_key_pem.write_to_path(self.key(kind))
