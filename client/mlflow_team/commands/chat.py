"""`mlflow-team chat`: whether the team's chat is reached."""

import argparse
import sys

from mlflow_team.bad_input import BadInputError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "chat",
        help="send a message to the team's chat",
        description="Exit code 0: the chat took the message, 1: it did not, 2: no address is set up.",
    )
    inner = parser.add_subparsers(dest="what", required=True)
    test = inner.add_parser("test", help="send a message that says it is a test")
    test.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command's signature
    """Send it.

    Raises:
        BadInputError: no address is set up, or none that can be used.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

    from mlflow_team.chat import address, message, webhook  # noqa: PLC0415 - same

    try:
        found = address.of()
    except (BotoCoreError, ClientError) as error:
        print(f"mlflow-team: the parameter cannot be read: {error}", file=sys.stderr)
        return 1
    if found is None:
        raise BadInputError([address.missing()])
    try:
        webhook.send(found, message.test())
    except webhook.ChatError as error:
        print(f"mlflow-team: {error}", file=sys.stderr)
        return 1
    print(f"{found.service} took the message")
    return 0
