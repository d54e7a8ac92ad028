"""The certificates that AWS would hold: one authority per rehearsal, gone when it ends."""

from dataclasses import dataclass
from pathlib import Path

import trustme

BUNDLE_NAME = "ca.pem"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A server certificate with its private key, both PEM files."""

    chain: Path
    key: Path


class CertificateAuthority:
    """Issues server certificates; its own key stays in memory.

    Attributes:
        bundle: PEM file with the authority's certificate, what clients trust.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(organization_name="mlflow-tracking rehearsal")
        self.bundle = folder / BUNDLE_NAME
        self._authority.cert_pem.write_to_path(str(self.bundle))
        # Whatever the umask: the user of a container reads it too.
        self.bundle.chmod(0o644)

    def issue(self, role: str, *names: str) -> Certificate:
        """Issue a certificate for host names or IP addresses; `role` names its two files."""
        leaf = self._authority.issue_cert(*names)
        certificate = Certificate(
            chain=self._folder / f"{role}.pem",
            key=self._folder / f"{role}.key",
        )
        for position, blob in enumerate(leaf.cert_chain_pems):
            blob.write_to_path(str(certificate.chain), append=position > 0)
        certificate.key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(str(certificate.key))
        return certificate
