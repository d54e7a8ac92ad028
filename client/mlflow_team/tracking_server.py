"""Where the login may go: to the tracking server's own address, over TLS, or not leaving this machine."""

import ipaddress
import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.exceptions import RequestException
from requests.utils import get_environ_proxies, select_proxy

from .login_error import LOAD, LoginError

PORTS = {"https": 443, "http": 80}
EXAMPLE = "export MLFLOW_TRACKING_URI=https://mlflow.example.com"


@dataclass(frozen=True, kw_only=True)
class TrackingServer:
    """Scheme, name and port, as they stand in the requests to it.

    Attributes:
        host: lower case; also the server's id in the token.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, uri: str) -> "TrackingServer":
        """Read an address, or the URL of a request.

        Raises:
            LoginError: it is none that a login could be sent to.
        """
        request = PreparedRequest()
        try:
            request.prepare_url(uri, None)  # as requests itself will read it
            parts = urlsplit(request.url or "")
            host, port = (parts.hostname or "").lower(), parts.port
        except (RequestException, ValueError):
            parts, host, port = urlsplit(""), "", None
        if parts.scheme not in PORTS or not host:
            shown = uri.rpartition("@")[2]  # a database's address holds a password
            mend = EXAMPLE if shown else LOAD
            raise LoginError(f"MLFLOW_TRACKING_URI is {shown!r}, not the address of a server: {mend}")
        return cls(scheme=parts.scheme, host=host, port=port or PORTS[parts.scheme])

    @property
    def origin(self) -> str:
        """Return the address without a path, as a browser's Origin header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")

    def check(self) -> None:
        """Make sure that nobody on the way can read the login.

        Raises:
            LoginError: somebody could.
        """
        if self.scheme == "https":
            if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
                raise LoginError(
                    "the login is sent to nobody whose certificate is not verified: "
                    "unset MLFLOW_TRACKING_INSECURE_TLS; export MLFLOW_TRACKING_SERVER_CERT_PATH=ca.pem"
                )
        elif not is_loopback(self.host):
            port = PORTS["https"] if self.port == PORTS["http"] else self.port  # a tunnel's stays
            raise LoginError(
                f"the login is not sent to {self.origin}, where everybody on the way could read it: "
                f"export MLFLOW_TRACKING_URI={replace(self, scheme='https', port=port).origin}"
            )
        elif select_proxy(self.origin, get_environ_proxies(self.origin)):
            raise LoginError(
                f"a proxy would carry the login to {self.origin} in the clear: export NO_PROXY={self.host}"
            )


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's, and never leaves it."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.IPv6Address("::1")
