"""What an AWS account holds before the stack: a hosted zone, and people, roles and data its teams name."""

import configparser
import json
from pathlib import Path
from typing import Any

from rehearsal.emulator import REGION, Emulator

ASSUME_ROLES = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/*"}],
    }
)
DATA_KEY, DATA = "photos/cat.txt", b"a cat\n"


class Prerequisites:
    """The emulated account, and the client side's view of it.

    Attributes:
        hosted_zone_id: the zone in which the stack makes its certificate and its record.
        environment: what a laptop of this account has: its AWS files, and where the emulator is.
        keys: of each person, as boto3 takes them.
        roles: ARN of each role that was added.
    """

    def __init__(self, emulator: Emulator, folder: Path, *, domain: str) -> None:
        self._emulator = emulator
        self._iam = emulator.client("iam")
        self.keys: dict[str, dict[str, str]] = {}
        self.roles: dict[str, str] = {}
        zone = emulator.client("route53").create_hosted_zone(Name=domain, CallerReference=domain)
        self.hosted_zone_id = str(zone["HostedZone"]["Id"]).removeprefix("/hostedzone/")
        self._credentials = folder / "credentials"
        self.environment = {
            "AWS_CONFIG_FILE": str(folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._credentials),
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_CA_BUNDLE": str(emulator.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def add_person(self, name: str) -> str:
        """Create an IAM user who may assume roles, keep its keys as the profile `name`, and return its ARN.

        Real people come by SSO, which no emulator has; the keys exist on loopback and end with the rehearsal.
        In AWS a user whom a role of the same account trusts needs no right of its own; here it does.
        """
        arn = str(self._iam.create_user(UserName=name)["User"]["Arn"])
        self._iam.put_user_policy(UserName=name, PolicyName="assume-roles", PolicyDocument=ASSUME_ROLES)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        self.keys[name] = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        profiles = configparser.ConfigParser()
        profiles.read(self._credentials)
        profiles[name] = {**self.keys[name], "region": REGION}
        self._credentials.touch(mode=0o600)
        with self._credentials.open("w") as file:
            profiles.write(file)
        return arn

    def add_role(self, name: str, *, path: str, trusts: str) -> None:
        """Create a role that no stack made and that may do nothing by itself."""
        trust = {"Effect": "Allow", "Principal": {"AWS": trusts}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self._iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)
        self.roles[name] = str(role["Role"]["Arn"])

    def add_bucket(self, name: str) -> None:
        """Create a bucket that no stack made, with an object in it."""
        s3 = self._emulator.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=name, Key=DATA_KEY, Body=DATA)

    def take(self, person: str, role_arn: str, session: str = "rehearsal") -> dict[str, Any]:
        """Assume a role as a person does; return the session's keys as boto3 takes them."""
        taken = self._emulator.client("sts", **self.keys[person]).assume_role(
            RoleArn=role_arn, RoleSessionName=session
        )["Credentials"]
        return {
            "aws_access_key_id": taken["AccessKeyId"],
            "aws_secret_access_key": taken["SecretAccessKey"],
            "aws_session_token": taken["SessionToken"],
        }
