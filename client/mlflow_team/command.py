"""The command `mlflow-team`."""

import argparse
import os
import sys
from collections.abc import Sequence

from .login_error import LoginError

DONE, FAILED, BAD_INPUT = 0, 1, 2
HIGHEST_PORT = 65535
NO_UI = "mlflow-team: what the UI's proxy needs is not installed: pip install aiohttp"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 not working, 2 bad input."""
    parser = argparse.ArgumentParser(prog="mlflow-team", description="A team's MLflow server on AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    ui = commands.add_parser(
        "ui",
        help="look at the team's runs in a browser",
        description="Serves the tracking server's UI on this machine alone, logged in, until Ctrl-C.",
    )
    ui.add_argument("--port", type=_port, metavar="N", help="where to serve (default: a free one)")
    ui.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    options = parser.parse_args(arguments)
    try:
        from .ui import serve  # noqa: PLC0415 - an extra, which logging does without
        from .ui_settings import read  # noqa: PLC0415 - same
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        return _fail(NO_UI, BAD_INPUT)
    settings, faults = read(os.environ)
    if settings is None:
        return _fail("\n".join(f"mlflow-team: {fault}" for fault in faults), BAD_INPUT)
    try:
        serve(settings, port=options.port or 0, browser=not options.no_browser)
    except LoginError as error:
        return _fail(f"mlflow-team: {error}", FAILED)
    except KeyboardInterrupt:
        return DONE
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # asyncio's own says the port again
        return _fail(
            f"mlflow-team: 127.0.0.1:{options.port} cannot be served ({reason}): mlflow-team ui", BAD_INPUT
        )
    return DONE


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and 0 < int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to {HIGHEST_PORT}")


def _fail(reason: str, code: int) -> int:
    print(reason, file=sys.stderr)
    return code
