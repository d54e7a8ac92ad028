"""Says in one sentence and one command why nobody could log in."""

import os
from typing import Any

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN = {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"}
DENIED = {"AccessDenied", "AccessDeniedException"}
CLOCK = ("signature expired", "signature not yet current")  # STS gives both the code SignatureDoesNotMatch
SIGN_IN_AGAIN = (exceptions.SSOError, exceptions.TokenRetrievalError)
CONNECTION = (exceptions.HTTPClientError, exceptions.ConnectionError)
LOAD = "load what onboarding wrote: set -a; . ./mlflow-<team>.env; set +a"
SET_CLOCK = "set it: sudo timedatectl set-ntp true"


class LoginError(RuntimeError):
    """Nobody could log in; the message is one sentence and what mends it, and never holds a token."""


def explain(error: Exception, session: Session) -> LoginError:
    """Say why boto3 gave no credentials."""
    if isinstance(error, ClientError):
        return _refused(error, session)
    if isinstance(error, exceptions.ProfileNotFound):
        return LoginError(f"the AWS configuration has no profile {_profile(session)!r}: {LOAD}")
    if isinstance(error, SIGN_IN_AGAIN):
        return LoginError(
            f"the SSO sign-in has expired or never happened: aws sso login --profile {_origin(session)}"
        )
    if isinstance(error, CONNECTION):
        return LoginError(
            f"AWS does not answer ({error}): check network, proxy and AWS_CA_BUNDLE, then: {_who(session)}"
        )
    if isinstance(error, RuntimeError) or (
        isinstance(error, exceptions.CredentialRetrievalError) and "xpired" in str(error)
    ):
        return LoginError(f"the credentials of {_source(session)} have expired: {_renew(session)}")
    return LoginError(f"{_source(session)} gives no credentials ({error}): {_who(session)}")


def no_credentials(session: Session) -> LoginError:
    """Say that boto3 looked everywhere and found nothing."""
    return LoginError(f"boto3 finds no AWS credentials for {_source(session)}: {LOAD}")


def no_role(session: Session) -> LoginError:
    """Say that the credentials are a user's own keys."""
    exported = "AWS_ACCESS_KEY_ID" in os.environ  # boto3 takes them before any profile
    source = "this shell" if exported else _source(session)
    mend = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY" if exported else LOAD
    return LoginError(f"the credentials of {source} are a user's own keys, and only a role logs in: {mend}")


def _refused(error: ClientError, session: Session) -> LoginError:
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code")), str(answer.get("Message"))
    if any(words in message.lower() for words in CLOCK):
        return LoginError(f"this machine's clock is more than 5 minutes off AWS's: {SET_CLOCK}")
    if code in EXPIRED:
        return LoginError(f"the credentials of profile {_origin(session)} have expired: {_renew(session)}")
    if code in UNKNOWN:
        return LoginError(
            f"AWS does not know the credentials of profile {_origin(session)} ({code}): {_renew(session)}"
        )
    if code in DENIED:
        section = _section(session, _profile(session))
        role = section.get("role_arn") or os.environ.get("AWS_ROLE_ARN", "its role")
        return LoginError(
            f"{_source(session)} may not assume {role}; ask the platform engineer to put under the team's "
            f"writers or readers who you are: aws sts get-caller-identity --profile {_origin(session)}"
        )
    return LoginError(f"AWS refused {_source(session)} ({code}): {_who(session)}")


def _profile(session: Session) -> str:
    return str(session.get_config_variable("profile") or "default")


def _source(session: Session) -> str:
    return f"profile {_profile(session)}"


def _section(session: Session, profile: str) -> dict[str, Any]:
    try:
        return session.full_config.get("profiles", {}).get(profile, {})
    except BotoCoreError:
        return {}


def _origin(session: Session) -> str:
    """Return the profile that the chain of source profiles starts from: that is where one signs in."""
    seen: list[str] = []
    profile = _profile(session)
    while profile not in seen:
        seen.append(profile)
        profile = _section(session, profile).get("source_profile", profile)
    return profile


def _renew(session: Session) -> str:
    origin = _origin(session)
    section = _section(session, origin)
    if "sso_session" in section or "sso_start_url" in section:
        return f"aws sso login --profile {origin}"
    return f"renew them where they come from, then: {_who(session)}"


def _who(session: Session) -> str:
    return f"aws sts get-caller-identity --profile {_profile(session)}"
