import pytest

import authorities
from infra.tests.conftest import REGION


def test_region_of_an_authority_in_the_image_is_taken() -> None:
    assert authorities.authorities_fault(REGION) is None


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "xx-nowhere-1"])
def test_region_whose_database_nobody_would_trust_is_refused(region: str) -> None:
    fault = authorities.authorities_fault(region)
    assert fault
    assert (fault.key, fault.received) == ("aws:region", region)
    assert "rds-global-bundle.pem" in fault.allowed
    assert fault.command == "make rds-authorities"
