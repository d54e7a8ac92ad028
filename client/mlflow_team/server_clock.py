"""What time it is on the tracking server: the clock of this machine may be wrong."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

HEALTH = "/health"


def now() -> float:
    """Return it in seconds since 1970; a database of one's own has this machine's clock.

    Raises:
        MlflowException: the server cannot be asked, or does not tell.
    """
    uri = mlflow.get_tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return time.time()
    answer: Any = http_request(get_default_host_creds(uri), HEALTH, "GET")
    try:
        return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        raise MlflowException(
            f"{uri}{HEALTH} answers {answer.status_code} without a time: let what stands before the server"
            " pass its Date header"
        ) from None
