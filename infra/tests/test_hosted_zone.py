import pytest

from hosted_zone import zone_fault
from infra.tests.conftest import CONFIG, declare
from rehearsal.deployment import DeploymentError


@pytest.mark.parametrize(
    ("domain", "zone", "fits"),
    [
        ("mlflow.example.com", "example.com", True),
        ("mlflow.example.com", "example.com.", True),
        ("example.com", "example.com", True),
        ("a.b.example.com", "b.example.com", True),
        ("mlflow.example.com", "example.org", False),
        ("mlflow-example.com", "example.com", False),
        ("example.com", "mlflow.example.com", False),
    ],
)
def test_zone_must_hold_the_domain(domain: str, zone: str, fits: bool) -> None:  # noqa: FBT001
    fault = zone_fault(domain, zone, private=False, proves_certificate=True)
    assert (fault is None) == fits
    if fault:
        assert str(fault) == (
            f"hostedZoneId: received the public zone {zone}; allowed: the zone that holds {domain}\n"
            "    pulumi config set hostedZoneId Z0123456789ABCDEFGHIJ"
        )


def test_private_zone_needs_a_certificate_of_ones_own() -> None:
    def fault(*, proves_certificate: bool) -> object:
        return zone_fault("m.example.com", "example.com", private=True, proves_certificate=proves_certificate)

    assert "private zone" in str(fault(proves_certificate=True))
    assert fault(proves_certificate=False) is None


@pytest.mark.rehearsal
@pytest.mark.parametrize(("zone", "reason"), [("ZOTHER", "that holds"), ("ZPRIVATE", "a public zone")])
def test_wrong_zone_ends_the_program_before_anything_is_made(zone: str, reason: str) -> None:
    with pytest.raises(DeploymentError, match=reason) as refused:
        declare({**CONFIG, "hostedZoneId": zone}, dry_run=True)
    assert refused.value.exit_code == 2
