import pytest

from server.tracking_server.identity import Identity, Role, identity_of, role_of
from server.tracking_server.refusal import Refusal

VISION = Role(partition="aws", account="123456789012", name="vision-writer")


def test_a_roles_session_is_its_role_and_a_name() -> None:
    found = identity_of("arn:aws:sts::123456789012:assumed-role/vision-writer/ada@example.com")
    assert found == Identity(role=VISION, session="ada@example.com")


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:user/vision-writer",
        "arn:aws:sts::123456789012:federated-user/vision-writer",
        "arn:aws:iam::123456789012:role/vision-writer",
        "arn:aws:sts::123456789012:assumed-role/vision-writer",
        "arn:aws:sts::123456789012:assumed-role/vision-writer/ada/more",
        "arn:aws:sts::123456789012:assumed-role/path/vision-writer/ada",
        "arn:aws:sts:eu-west-1:123456789012:assumed-role/vision-writer/ada",
        "arn:aws:sts::12345678901:assumed-role/vision-writer/ada",
        "arn:aws:sts::123456789012:assumed-role/vision-writer/ada\n",
        "arn:aws:sts::123456789012:assumed-role/vision-writer/a b",
        "arn:aws:sts::123456789012:assumed-role/vision-wr\u0456ter/ada",
        "arn:evil:sts::123456789012:assumed-role/vision-writer/ada",
        "",
    ],
)
def test_whoever_is_no_roles_session_is_refused(arn: str) -> None:
    refusal = identity_of(arn)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.rule) == (403, "no role")
    assert "Only sessions of IAM roles log in" in refusal.message


@pytest.mark.parametrize(
    ("arn", "same"),
    [
        ("arn:aws:iam::123456789012:role/vision-writer", True),
        ("arn:aws:iam::123456789012:role/a/path/vision-writer", True),
        ("arn:aws:iam::210987654321:role/vision-writer", False),
        ("arn:aws-cn:iam::123456789012:role/vision-writer", False),
        ("arn:aws:iam::123456789012:role/vision-writer/speech-writer", False),
        ("arn:aws:iam::123456789012:role/Vision-writer", False),
    ],
)
def test_a_role_is_its_partition_account_and_name_whatever_its_path(arn: str, same: bool) -> None:  # noqa: FBT001
    assert (role_of(arn) == VISION) is same


@pytest.mark.parametrize(
    "arn",
    [
        None,
        7,
        "vision-writer",
        "arn:aws:iam::123456789012:user/vision-writer",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::*:role/vision-writer",
        "arn:aws:sts::123456789012:assumed-role/vision-writer/ada",
        "arn:aws:iam::123456789012:role/vision-writer\n",
    ],
)
def test_what_is_no_roles_arn_is_an_error(arn: object) -> None:
    with pytest.raises(ValueError, match="no ARN of a role"):
        role_of(arn)
