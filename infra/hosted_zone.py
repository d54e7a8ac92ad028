"""The hosted zone that the domain's records are made in: looked at before anything is made."""

import pulumi_aws as aws

from faults import Fault, WrongSettingsError

KEY = "hostedZoneId"


def check_zone(zone_id: str, domain: str, *, proves_certificate: bool) -> None:
    """Ask Route 53 for the zone, and hold it against the domain.

    Args:
        zone_id: Route 53 zone.
        domain: whose records are made in it.
        proves_certificate: whether ACM looks for its proof in it, as it can in public zones only.

    Raises:
        WrongSettingsError: it is another domain's, or private where it must be public.
    """
    zone = aws.route53.get_zone(zone_id=zone_id)
    private = bool(zone.private_zone)
    fault = zone_fault(domain, zone.name, private=private, proves_certificate=proves_certificate)
    if fault:
        raise WrongSettingsError([fault])


def zone_fault(domain: str, name: str, *, private: bool, proves_certificate: bool) -> Fault | None:
    """Return what is wrong with a zone of this name: in another domain's, ACM would wait for ever."""
    if not f".{domain}".endswith(f".{name.rstrip('.')}"):
        allowed = f"the zone that holds {domain}"
    elif private and proves_certificate:
        allowed = "a public zone, in which ACM can look for its proof, or a certificateArn"
    else:
        return None
    kind = "private" if private else "public"
    return Fault(
        key=KEY,
        received=f"the {kind} zone {name.rstrip('.')}",
        allowed=allowed,
        command=f"pulumi config set {KEY} Z0123456789ABCDEFGHIJ",
    )
