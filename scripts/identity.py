"""Asks AWS who a session is and says in plain words why it cannot be anybody."""

import boto3
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
NOT_VALID = {
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
}
DENIED = {"AccessDenied", "AccessDeniedException"}
SIGN_IN_AGAIN = (
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.RefreshWithMFAUnsupportedError,
)
NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.InvalidConfigError,
)
CONNECTION = (exceptions.HTTPClientError, exceptions.ConnectionError)


class IdentityError(RuntimeError):
    """The session is nobody for AWS; the message is one sentence and what mends it."""


class RoleDeniedError(IdentityError):
    """The credentials are valid but may not assume the role."""


def caller_arn(session: boto3.Session, *, source: str) -> str:
    """Return the ARN of the identity that AWS sees behind a session, assuming its role if it has one.

    Args:
        session: its profile may name a role.
        source: what holds the credentials the session starts from, as a person would name it.

    Raises:
        IdentityError: AWS did not accept the session, or could not be asked.
    """
    try:
        return str(session.client("sts").get_caller_identity()["Arn"])
    except ClientError as error:
        raise _refused(error, source) from None
    except SIGN_IN_AGAIN:
        raise IdentityError(
            f"the sign-in of {source} has expired or never happened: {_renew(source)}"
        ) from None
    except NO_CREDENTIALS as error:
        raise IdentityError(f"{source} holds no credentials ({error}): {_renew(source)}") from None
    except CONNECTION as error:
        raise IdentityError(
            f"AWS does not answer ({error}): check the network, the proxy and AWS_CA_BUNDLE"
        ) from None
    except BotoCoreError as error:
        raise IdentityError(f"{source} cannot be used: {error}") from None


def _refused(error: ClientError, source: str) -> IdentityError:
    code = error.response["Error"]["Code"]
    if code in EXPIRED:
        return IdentityError(f"the credentials of {source} have expired: {_renew(source)}")
    if code in NOT_VALID:
        return IdentityError(f"AWS does not know the credentials of {source} ({code}): {_renew(source)}")
    if code in DENIED and error.operation_name.startswith("AssumeRole"):
        return RoleDeniedError(f"{source} may not assume the role")
    return IdentityError(f"AWS refused {source}: {error}")


def _renew(source: str) -> str:
    name = source.removeprefix("profile ")
    if name == source:
        return "renew them where they come from, then run again"
    return f"renew them (aws sso login --profile {name}, or aws configure --profile {name}), then run again"
