"""What the UI's proxy is told by the environment that onboarding wrote."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import certifi

from .login_error import LOAD, LoginError
from .token import REGION, REGION_VARIABLE
from .tracking_server import TrackingServer

# In the order in which MLflow's own client looks.
CA_BUNDLES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True)
class UiSettings:
    """Which server, whose workspace.

    Attributes:
        uri: the tracking URI without a slash at its end.
        workspace: the team's; empty when the server may choose.
        trust: who vouches for the server.
    """

    server: TrackingServer
    uri: str
    workspace: str
    trust: ssl.SSLContext = field(repr=False)


def read(environment: Mapping[str, str]) -> tuple[UiSettings | None, list[str]]:
    """Return the settings, or every fault in them."""
    faults = []
    server = trust = None
    uri = environment.get("MLFLOW_TRACKING_URI", "")
    try:
        server = TrackingServer.of(uri)
        server.check()
    except LoginError as error:
        faults.append(str(error))
    region = environment.get(REGION_VARIABLE, "")
    if not REGION.fullmatch(region):
        faults.append(f"{REGION_VARIABLE} is {region!r}, not the tracking server's AWS region: {LOAD}")
    variable, bundle = next(
        ((name, path) for name in CA_BUNDLES if (path := environment.get(name))), ("", certifi.where())
    )
    try:
        folder = Path(bundle).is_dir()
        trust = ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    except OSError as error:
        faults.append(f"{variable} is {bundle!r}, which cannot be read ({error}): {LOAD}")
    if faults or server is None or trust is None:
        return None, faults
    workspace = environment.get("MLFLOW_WORKSPACE", "").strip()
    return UiSettings(server=server, uri=uri.rstrip("/"), workspace=workspace, trust=trust), []
