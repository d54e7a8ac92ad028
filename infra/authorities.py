"""The certificate authorities in the server's image, by which it knows a database: are the region's there?"""

import re
from functools import cache
from pathlib import Path

from cryptography import x509

from faults import Fault

BUNDLE = Path(__file__).parent.parent / "server" / "rds-global-bundle.pem"
# RDS signs a new instance's certificate by rds-ca-rsa2048-g1 unless told otherwise:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
DEFAULT_AUTHORITY = re.compile(r"Amazon RDS (\S+) Root CA RSA2048 G1")


def authorities_fault(region: str) -> Fault | None:
    """Return what is wrong with a region whose databases the image would not trust."""
    if region in covered_regions():
        return None
    return Fault(
        key="aws:region",
        received=region,
        allowed=f"a region whose authorities server/{BUNDLE.name} holds (a newer one may), or a ready image",
        command="make rds-authorities",
    )


@cache
def covered_regions() -> frozenset[str]:
    """Return the regions of the bundle's authorities."""
    names = (
        str(name.value)
        for certificate in x509.load_pem_x509_certificates(BUNDLE.read_bytes())
        for name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    )
    return frozenset(match[1] for name in names if (match := DEFAULT_AUTHORITY.fullmatch(name)))
