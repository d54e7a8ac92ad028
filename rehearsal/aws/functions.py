"""Provider functions, answered from the emulator."""

from collections.abc import Callable
from typing import Any

from rehearsal.aws import ecr
from rehearsal.aws.account import Account
from rehearsal.aws.inputs import Inputs


def availability_zones(account: Account, inputs: Inputs) -> dict[str, Any]:
    """List the zones of the region."""
    filters = [block.take({"name": "Name", "values": "Values"}) for block in inputs.blocks("filters")]
    zones = account.client("ec2").describe_availability_zones(Filters=filters)["AvailabilityZones"]
    if "state" in inputs:
        zones = [zone for zone in zones if zone["State"] == inputs["state"]]
    lacking = inputs.get("excludeZoneIds", [])
    zones = [zone for zone in zones if zone["ZoneId"] not in lacking]
    zones = sorted(zones, key=lambda zone: str(zone["ZoneName"]))
    return {
        "id": account.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone["GroupName"] for zone in zones}),
    }


def hosted_zone(account: Account, inputs: Inputs) -> dict[str, Any]:
    """Describe a hosted zone by its id."""
    zone = account.client("route53").get_hosted_zone(Id=inputs["zoneId"])["HostedZone"]
    return {
        "id": inputs["zoneId"],
        "zoneId": zone["Id"].removeprefix("/hostedzone/"),
        "name": zone["Name"].removesuffix("."),
        "privateZone": zone["Config"]["PrivateZone"],
    }


FUNCTIONS: dict[str, Callable[[Account, Inputs], dict[str, Any]]] = {
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": ecr.authorization_token,
    "aws:ecr/getImages:getImages": ecr.images,
    "aws:ecr/getRepositories:getRepositories": ecr.repositories,
    "aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones,
    "aws:route53/getZone:getZone": hosted_zone,
}
