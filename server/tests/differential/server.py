"""One of the servers compared: `python -m server.tests.differential.server ours|stock|broken PORT`.

What MLflow's own app answers says so in a header, so that the comparison knows what it compared.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.login_server import main

HANDED_ON = "x-answered-by-mlflow"
# Latest values that move backwards: what a comparison must see.
RIGHT = "> (old.step, old.timestamp, old.value)"
WRONG = "< (old.step, old.timestamp, old.value)"


def said(app: Callable[..., Any]) -> Callable[..., Any]:
    async def saying(scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HANDED_ON.encode(), b"yes")]
            await send(message)

        await app(scope, receive, marked)

    return saying


def damage() -> None:
    from server.tracking_server import write_pool  # noqa: PLC0415

    assert RIGHT in write_pool.PREPARE
    write_pool.PREPARE = write_pool.PREPARE.replace(RIGHT, WRONG)


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "broken":
        # MLflow reads its environment when it is imported, and the module imports MLflow.
        from server.tests import mlflow_server

        mlflow_server.load()
        damage()
    main("without" if kind == "stock" else "login", port, said)
