"""MLflow's way in: puts the token on each request to the tracking server, and on no other."""

import email.utils
import time
from typing import Any

import mlflow
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from requests import PreparedRequest, Response
from requests.auth import AuthBase

from .login_error import SET_CLOCK, LoginError
from .token import TOKENS, TokenSource
from .tracking_server import TrackingServer

SCHEME = "Bearer "
CLOCK_SECONDS = 300
UNAUTHORIZED = 401


class AwsRole(RequestAuthProvider):
    """What `MLFLOW_TRACKING_AUTH=aws-role` chooses."""

    def get_name(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - MLflow annotates nothing
        """Return the name of this login."""
        return "aws-role"

    def get_auth(self) -> AuthBase:  # pyright: ignore[reportIncompatibleMethodOverride] - same
        """Return what puts the token on a request."""
        return RoleAuth(TOKENS)


class RoleAuth(AuthBase):
    """Puts the token on a request, which then may not be led elsewhere."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Log the request in.

        Raises:
            LoginError: the request does not go to the tracking server, or AWS gave no credentials.
        """
        asked, ours = TrackingServer.of(str(r.url)), TrackingServer.of(mlflow.get_tracking_uri())
        if asked != ours:
            raise LoginError(
                f"the login is for {ours.origin} and is never sent to {asked.origin}: "
                "compare MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI with what onboarding wrote"
            )
        asked.check()
        r.headers["Authorization"] = SCHEME + self._tokens.token(asked.host).text
        r.register_hook("response", self._look)
        return r

    def _look(self, response: Response, **_: Any) -> None:
        """Stop where requests would follow, and say what a refused login has to do with the clock."""
        if response.is_redirect:
            response.close()
            origin = TrackingServer.of(response.url).origin
            raise LoginError(
                f"{origin} leads elsewhere, and the login never follows: curl -I {origin}/version"
            )
        if response.status_code == UNAUTHORIZED:
            self._tokens.drop(str(response.request.headers.get("Authorization", "")).removeprefix(SCHEME))
            _compare_clocks(response.headers.get("Date", ""))


def _compare_clocks(date: str) -> None:
    try:
        ahead = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    if abs(ahead) > CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        raise LoginError(
            f"this machine's clock is {abs(ahead) / 60:.0f} minutes {side} the tracking server's: {SET_CLOCK}"
        )
