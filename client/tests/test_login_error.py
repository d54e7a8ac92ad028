import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.session import Session

from client.tests.servers import Answer, server
from mlflow_team.login_error import LoginError
from mlflow_team.token import TokenSource

ROLE = "arn:aws:iam::111122223333:role/mlflow-vision-writer"
CHAIN = f"""
[profile mlflow-vision]
role_arn = {ROLE}
source_profile = work
region = eu-central-1
[profile work]
source_profile = me
role_arn = {ROLE}-jump
[profile me]
"""
KEYS = "aws_access_key_id = AKIAUSER\naws_secret_access_key = s\n"
WHO = "aws sts get-caller-identity --profile "
RENEW = f"renew them where they come from, then: {WHO}mlflow-vision"
DENIED = (
    f"profile mlflow-vision may not assume {ROLE}; ask the platform engineer to put under the team's writers "
    f"or readers who you are: {WHO}me"
)
PARTIAL = (
    "profile mlflow-vision gives no credentials (Partial credentials found in env, missing: "
    f"AWS_SECRET_ACCESS_KEY): {WHO}mlflow-vision"
)
CLOCK = "this machine's clock is more than 5 minutes off AWS's: set it: sudo timedatectl set-ntp true"


def told(tokens: TokenSource) -> str:
    with pytest.raises(LoginError) as refusal:
        tokens.token("mlflow.example.com")
    said = "".join(traceback.format_exception(refusal.value))
    assert "X-Amz-Signature" not in said
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AssumeRole")


@pytest.fixture
def chain(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (machine / "config").write_text(CHAIN + KEYS)
    monkeypatch.setenv("AWS_PROFILE", "mlflow-vision")
    return machine / "config"


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Let boto3 find no credentials, for the reason given."""

    def use(error: Exception) -> None:
        def raising(_: Session) -> None:
            raise error

        monkeypatch.setattr(Session, "get_credentials", raising)

    return use


def test_no_credentials(tokens: TokenSource) -> None:
    assert told(tokens).startswith("boto3 finds no AWS credentials for profile default: load what onboarding")


def test_unknown_profile(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    assert told(tokens).startswith("the AWS configuration has no profile 'gone': load what onboarding")


def test_users_own_keys(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    (machine / "credentials").write_text(f"[default]\n{KEYS}")
    assert told(tokens).startswith(
        "the credentials of profile default are a user's own keys, and only a role"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert told(tokens) == (
        "the credentials of this shell are a user's own keys, and only a role logs in: "
        "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
    )


@pytest.mark.parametrize(
    "error",
    [
        exceptions.SSOTokenLoadError(error_msg="no token"),
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
    ],
)
@pytest.mark.usefixtures("chain")
def test_ended_sso_session_names_the_profile_to_sign_in_with(
    tokens: TokenSource, fail: Callable[[Exception], None], error: Exception
) -> None:
    fail(error)
    assert told(tokens) == "the SSO sign-in has expired or never happened: aws sso login --profile me"


def test_sso_profile_that_nobody_signed_in_with(tokens: TokenSource, chain: Path) -> None:
    """Boto3's own error, from a profile as `aws configure sso` writes it."""
    chain.write_text(
        CHAIN + "sso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Dev\n"
        "[sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n"
    )
    assert told(tokens) == "the SSO sign-in has expired or never happened: aws sso login --profile me"


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            refused("AccessDenied", "User: ada is not authorized"),
            DENIED,
        ),
        (
            refused("SignatureDoesNotMatch", "Signature expired: 20261123T100000Z is now earlier than …"),
            CLOCK,
        ),
        (refused("SignatureDoesNotMatch", "Signature not yet current: 20261123T100000Z is still …"), CLOCK),
        (refused("ExpiredToken"), f"the credentials of profile me have expired: {RENEW}"),
        (
            refused("InvalidClientTokenId"),
            f"AWS does not know the credentials of profile me (InvalidClientTokenId): {RENEW}",
        ),
        (
            refused("RegionDisabledException"),
            f"AWS refused profile mlflow-vision (RegionDisabledException): {WHO}mlflow-vision",
        ),
        (
            RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
            f"the credentials of profile mlflow-vision have expired: {RENEW}",
        ),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            PARTIAL,
        ),
    ],
)
def test_each_refusal_has_one_sentence_and_one_command(
    tokens: TokenSource, fail: Callable[[Exception], None], error: Exception, sentence: str
) -> None:
    fail(error)
    assert told(tokens) == sentence


@pytest.mark.usefixtures("chain")
def test_role_that_sts_denies(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boto3's own error, from an STS that says no."""
    body = (
        b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        b"<Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>"
    )
    with server(lambda _: Answer(403, {"Content-Type": "text/xml"}, body)) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL", sts.uri)
        assert told(tokens).startswith("profile mlflow-vision may not assume arn:aws:iam::111122223333:role/")
    assert sts.asked


@pytest.mark.usefixtures("chain")
def test_sts_that_does_not_answer(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda _: Answer()) as gone:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", gone.uri)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    said = told(tokens)
    assert said.startswith("AWS does not answer (")
    assert said.endswith(
        "check network, proxy and AWS_CA_BUNDLE, then: aws sts get-caller-identity --profile mlflow-vision"
    )


def test_configuration_that_cannot_be_read(tokens: TokenSource, machine: Path) -> None:
    (machine / "config").write_text("[profile x\n")
    assert "Unable to parse config file" in told(tokens)
