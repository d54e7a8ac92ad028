"""`mlflow-team ui`: look at the team's runs in a browser."""

import argparse
import os
import sys

from mlflow_team.bad_input import BadInputError
from mlflow_team.login_error import LoginError

HIGHEST_PORT = 65535
NO_UI = "what the UI's proxy needs is not installed: pip install aiohttp"
DONE, FAILED = 0, 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "ui",
        help="look at the team's runs in a browser",
        description="Serves the tracking server's UI on this machine alone, logged in, until Ctrl-C.",
    )
    parser.add_argument("--port", type=_port, metavar="N", help="where to serve (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        BadInputError: a setting or the port is wrong, or the extra is missing.
    """
    try:
        from mlflow_team.ui import serve  # noqa: PLC0415 - an extra, which logging does without
        from mlflow_team.ui_settings import read  # noqa: PLC0415 - same
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise BadInputError([NO_UI]) from None
    settings, faults = read(os.environ)
    if settings is None:
        raise BadInputError(faults)
    try:
        serve(settings, port=options.port or 0, browser=not options.no_browser)
    except LoginError as error:
        print(f"mlflow-team: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return DONE
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # asyncio's own says the port again
        raise BadInputError(
            [f"127.0.0.1:{options.port} cannot be served ({reason}): mlflow-team ui"]
        ) from None
    return DONE


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and 0 < int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to {HIGHEST_PORT}")
