"""Certificates and DNS records."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

PROOF = {
    "resourceRecordName": "Name",
    "resourceRecordType": "Type",
    "resourceRecordValue": "Value",
}
ALIAS = {"name": "DNSName", "zoneId": "HostedZoneId", "evaluateTargetHealth": "EvaluateTargetHealth"}
# The provider waits for CREATE to be refused where a record exists, and overwrites only when told to.
CHANGE = {True: "UPSERT", False: "CREATE"}


def create_certificate(account: Account, inputs: Inputs) -> str:
    """Request a certificate; its id is its ARN."""
    answer = account.client("acm").request_certificate(
        **inputs.take({"domainName": "DomainName", "validationMethod": "ValidationMethod"}),
        Tags=tag_list(inputs.get("tagsAll", {})),
    )
    return str(answer["CertificateArn"])


def read_certificate(account: Account, identity: str) -> dict[str, Any]:
    """Describe a certificate and how its domain is to be proven."""
    acm = account.client("acm")
    certificate = acm.describe_certificate(CertificateArn=identity)["Certificate"]
    options = certificate["DomainValidationOptions"]
    return {
        **shown(certificate, {"domainName": "DomainName", "arn": "CertificateArn", "status": "Status"}),
        "validationMethod": options[0]["ValidationMethod"],
        "domainValidationOptions": [
            {"domainName": option["DomainName"], **shown(option["ResourceRecord"], PROOF)}
            for option in options
        ],
        "tagsAll": tag_map(acm.list_tags_for_certificate(CertificateArn=identity)["Tags"]),
    }


def await_certificate(account: Account, inputs: Inputs) -> str:
    """Check that the proof stands in DNS and the certificate is issued, as the provider waits for.

    Raises:
        ValueError: a name that the certificate does not ask for, or a certificate that is not issued.
    """
    described = read_certificate(account, inputs["certificateArn"])
    wanted = {option["resourceRecordName"].rstrip(".") for option in described["domainValidationOptions"]}
    given = {name.rstrip(".") for name in inputs["validationRecordFqdns"]}
    if given != wanted:
        raise ValueError(
            f"validationRecordFqdns: received {sorted(given)}, the certificate asks for {sorted(wanted)}"
        )
    if described["status"] != "ISSUED":
        raise ValueError(f"certificate is {described['status']}")
    return str(inputs["certificateArn"])


def read_certificate_validation(account: Account, identity: str) -> dict[str, Any]:
    """Describe what was proven."""
    described = read_certificate(account, identity)
    return {
        "certificateArn": described["arn"],
        "validationRecordFqdns": [
            option["resourceRecordName"].rstrip(".") for option in described["domainValidationOptions"]
        ],
    }


def create_record(account: Account, inputs: Inputs) -> str:
    """Make a record; its id is made of zone, name and type."""
    zone, name, kind = inputs["zoneId"], inputs["name"].rstrip("."), inputs["type"]
    record: dict[str, Any] = {"Name": name, "Type": kind, **inputs.take({"ttl": "TTL"})}
    if "records" in inputs:
        record["ResourceRecords"] = [{"Value": value} for value in inputs["records"]]
    for alias in inputs.blocks("aliases"):
        record["AliasTarget"] = alias.take(ALIAS)
    account.client("route53").change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [{"Action": CHANGE[inputs.get("allowOverwrite", False)], "ResourceRecordSet": record}]
        },
    )
    return f"{zone}_{name}_{kind}"


def read_record(account: Account, identity: str) -> dict[str, Any]:
    """Describe a record."""
    zone, rest = identity.split("_", 1)
    name, kind = rest.rsplit("_", 1)
    records = account.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    record = only([r for r in records if (r["Name"], r["Type"]) == (f"{name}.", kind)], identity)
    fqdn = record["Name"].rstrip(".")
    described = {"zoneId": zone, "name": fqdn, "fqdn": fqdn, **shown(record, {"type": "Type", "ttl": "TTL"})}
    if "ResourceRecords" in record:
        described["records"] = [value["Value"] for value in record["ResourceRecords"]]
    if "AliasTarget" in record:
        described["aliases"] = [shown(record["AliasTarget"], ALIAS)]
    return described


HANDLERS = {
    "aws:acm/certificate:Certificate": Handler(create_certificate, read_certificate),
    "aws:acm/certificateValidation:CertificateValidation": Handler(
        await_certificate, read_certificate_validation
    ),
    "aws:route53/record:Record": Handler(create_record, read_record),
}
