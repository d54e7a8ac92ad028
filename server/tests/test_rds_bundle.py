"""The authorities that vouch for a database of RDS; `make rds-authorities` renews them."""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

BUNDLE = Path(__file__).parents[1] / "rds-global-bundle.pem"
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
CERTIFICATES = [x509.load_pem_x509_certificate(pem) for pem in PEM.findall(BUNDLE.read_bytes())]
# RDS's names for them: rds-ca-rsa2048-g1, rds-ca-rsa4096-g1, rds-ca-ecc384-g1.
GENERATION = {"RSA2048 G1", "RSA4096 G1", "ECC384 G1"}
# Beta and Preview are RDS's own places to try things; AWS's file has them.
NAME = re.compile(r"Amazon RDS ((?:Beta |Preview )?[a-z]{2}(?:-[a-z]+)+-\d) Root CA (\w+ G1)")
FEWEST_REGIONS = 27


def name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_the_bundle_is_not_empty_and_nothing_in_it_is_torn() -> None:
    assert len(CERTIFICATES) == BUNDLE.read_text().count("-----BEGIN ")


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=name)
def test_each_certificate_is_a_lasting_authority_of_rds(certificate: x509.Certificate) -> None:
    assert NAME.fullmatch(name(certificate))
    organization = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0].value
    assert organization == "Amazon Web Services, Inc."
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now
    assert certificate.not_valid_after_utc > now + timedelta(days=365)


def test_each_region_has_every_authority_that_a_database_there_can_choose() -> None:
    found = defaultdict(set)
    for certificate in CERTIFICATES:
        if match := NAME.fullmatch(name(certificate)):
            found[match[1]].add(match[2])
    assert {region: GENERATION - kinds for region, kinds in found.items() if kinds != GENERATION} == {}
    assert len([region for region in found if " " not in region]) >= FEWEST_REGIONS


def test_no_certificate_is_there_twice() -> None:
    assert len({certificate.fingerprint(hashes.SHA256()) for certificate in CERTIFICATES}) == len(
        CERTIFICATES
    )
