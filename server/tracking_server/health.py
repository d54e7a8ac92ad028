"""The container's health check: exit code 0 when the server in it answers, else 1 with the reason."""

import os
import sys
import urllib.error
import urllib.request

SECONDS = 4


def reason_unhealthy(port: str) -> str | None:
    """Ask the server, and return None when it answers 200."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=SECONDS).close()
    except (urllib.error.URLError, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(reason_unhealthy(os.environ.get("MLFLOW_PORT", "")))
