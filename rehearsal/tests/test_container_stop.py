"""A server's container that is told to stop loses no write that it acknowledged."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any

import pytest
import requests

from rehearsal.containers.container import Container
from rehearsal.processes import wait_until
from rehearsal.stack import RehearsedStack
from rehearsal.teams import PERSON, TEAM
from rehearsal.tests.login import Api
from rehearsal.tests.test_container_stack import SERVER

pytestmark = pytest.mark.container

CLIENTS = 8
SECONDS = 60.0
WARM_WRITES = 5


def member_of(stack: RehearsedStack) -> Api:
    assert stack.deployment
    role = stack.deployment.outputs["teams"][TEAM]["writerRoleArn"]
    return Api(stack, stack.prerequisites.take(PERSON, role))


def post(api: Api, call: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"2.0/mlflow/{call}", **body)
    answer.raise_for_status()
    return dict(answer.json())


class Writer(threading.Thread):
    """Logs step after step until it is refused, and notes each write that was acknowledged."""

    def __init__(self, stack: RehearsedStack, run_id: str, metric: str) -> None:
        super().__init__(daemon=True)
        self._api = member_of(stack)
        self._run_id = run_id
        self.metric = metric
        # Step, when it was sent, when it was acknowledged.
        self.acknowledged: list[tuple[int, float, float]] = []
        self.refusal = ""

    def run(self) -> None:
        self._log_in()
        for step in itertools.count():
            sent = time.time()
            try:
                post(
                    self._api,
                    "runs/log-metric",
                    run_id=self._run_id,
                    key=self.metric,
                    value=step,
                    step=step,
                    timestamp=step,
                )
            except requests.RequestException as error:
                body = "" if error.response is None else error.response.text
                self.refusal = f"{error} {body}"
                return
            self.acknowledged.append((step, sent, time.time()))

    def _log_in(self) -> None:
        # On a busy machine the emulated STS may take longer than the server waits; clients try again, too.
        wait_until(
            lambda: None if (status := self._api.status()) == HTTPStatus.OK else f"answers {status}",
            what=f"login of {self.metric}",
            seconds=SECONDS,
        )


def not_once(stack: RehearsedStack, run_id: str, writers: list[Writer]) -> set[tuple[str, int]]:
    """Return the acknowledged writes that the database does not hold exactly once."""
    with closing(stack.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key, step FROM metrics WHERE run_uuid = %s AND value = step", (run_id,))
        held = Counter(cursor.fetchall())
    written = {(writer.metric, step) for writer in writers for step, _, _ in writer.acknowledged}
    return {write for write in written if held[write] != 1}


@pytest.fixture
def second_server(in_docker: RehearsedStack) -> Iterator[Container]:
    """Start a second task and lead the load balancer to it, as a deployment does."""
    first = in_docker.front._target
    task, target = in_docker.start_task(in_docker.task_definition())
    in_docker.front.register(target)
    yield task.started[SERVER]
    in_docker.front.register(first)


def signalled(stack: RehearsedStack, container: Container, since: float) -> float:
    """Return when Docker sent the first signal."""
    kills = stack._docker.engine.events(
        since=int(since),
        until=int(time.time()) + 1,
        filters={"container": container.id, "event": "kill"},
        decode=True,
    )
    return next(iter(kills))["timeNano"] / 1e9


def test_server_told_to_stop_loses_no_acknowledged_write(
    in_docker: RehearsedStack, second_server: Container
) -> None:
    api = member_of(in_docker)
    experiment = post(api, "experiments/create", name="stopped")["experiment_id"]
    run_id = post(api, "runs/create", experiment_id=experiment, start_time=0)["run"]["info"]["run_id"]
    writers = [Writer(in_docker, run_id, f"of-{number}") for number in range(CLIENTS)]
    for writer in writers:
        writer.start()
    wait_until(
        lambda: (
            None
            if all(len(writer.acknowledged) > WARM_WRITES for writer in writers)
            else "; ".join(
                f"{writer.metric} {writer.refusal or f'{len(writer.acknowledged)} acknowledged'}"
                for writer in writers
            )
        ),
        what="writing",
        seconds=SECONDS,
        give_up=lambda: any(writer.refusal for writer in writers),
    )
    stop_timeout = in_docker.task_definition()["containerDefinitions"][1]["stopTimeout"]
    told = time.time()
    second_server.end(stop_timeout)
    seconds = time.time() - told
    for writer in writers:
        writer.join(SECONDS)

    # They wrote when the signal came, and what was under way was answered.
    signal = signalled(in_docker, second_server, told)
    under_way = [write for writer in writers for write in writer.acknowledged if write[1] < signal < write[2]]
    count = sum(len(writer.acknowledged) for writer in writers)
    print(f"\n{count} writes acknowledged, {len(under_way)} after the signal; ended after {seconds:.1f} s")
    assert under_way
    assert all(writer.refusal for writer in writers)
    assert all(signal - writer.acknowledged[-1][2] < 1 for writer in writers)
    assert second_server.exit_code() == 0
    assert seconds < stop_timeout
    assert not_once(in_docker, run_id, writers) == set()

    # The check sees a loss.
    lost = (writers[0].metric, writers[0].acknowledged[-1][0])
    with closing(in_docker.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM metrics WHERE run_uuid = %s AND key = %s AND step = %s", (run_id, *lost))
        connection.commit()
    assert not_once(in_docker, run_id, writers) == {lost}
