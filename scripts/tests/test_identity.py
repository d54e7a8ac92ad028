from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from identity import IdentityError, RoleDeniedError, caller_arn


class Session:
    """A boto3 session whose STS raises what it was given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def client(self, service: str) -> "Session":
        assert service == "sts"
        return self

    def get_caller_identity(self) -> dict[str, Any]:
        raise self._error


def refusal(code: str, operation: str = "AssumeRole") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def told(error: Exception, source: str = "profile work") -> str:
    with pytest.raises(IdentityError) as refused:
        caller_arn(Session(error), source=source)  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_name_their_profile_and_the_command(code: str) -> None:
    assert told(refusal(code)) == (
        "the credentials of profile work have expired: "
        "renew them (aws sso login --profile work, or aws configure --profile work), then run again"
    )


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.SSOTokenLoadError(error_msg="gone"),
        exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
    ],
)
def test_ended_sign_in_names_the_command(error: Exception) -> None:
    assert "aws sso login --profile work" in told(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.NoCredentialsError(),
        exceptions.PartialCredentialsError(provider="config", cred_var="aws_secret_access_key"),
        exceptions.CredentialRetrievalError(provider="EcsContainer", error_msg="none"),
    ],
)
def test_missing_credentials_are_told(error: Exception) -> None:
    assert told(error, source="this machine's role").startswith("this machine's role holds no credentials")


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_unknown_credentials_are_told(code: str) -> None:
    assert f"AWS does not know the credentials of profile work ({code})" in told(refusal(code))


def test_denied_role_is_an_error_of_its_own() -> None:
    with pytest.raises(RoleDeniedError):
        caller_arn(Session(refusal("AccessDenied")), source="profile work")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com"),
        exceptions.SSLError(endpoint_url="https://sts.eu-west-1.amazonaws.com", error="self-signed"),
    ],
)
def test_unreachable_aws_is_not_blamed_on_the_credentials(error: Exception) -> None:
    assert told(error).startswith("AWS does not answer")


def test_other_refusals_are_told_as_they_came() -> None:
    assert "(Throttling)" in told(refusal("Throttling"))
