"""A one-off ECS task, followed by its log until it has stopped."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

POLL_SECONDS = 1
STREAMS = "task"  # how the log streams' names begin


class TaskError(RuntimeError):
    """A task runs longer than it may; the message says which."""


@dataclass(frozen=True, kw_only=True)
class EcsTask:
    """One task.

    Attributes:
        ecs, logs: boto3 clients.
        cluster, log_group: where it runs and what it writes to.
        container: whose log is read.
        arn: of the task.
    """

    ecs: Any
    logs: Any
    cluster: str
    log_group: str
    container: str
    arn: str

    @property
    def id(self) -> str:
        """The end of its ARN."""
        return self.arn.rsplit("/", 1)[1]

    def describe(self) -> dict[str, Any]:
        """Return what ECS says of it, with its tags; ECS forgets a task an hour after its end."""
        found = self.ecs.describe_tasks(cluster=self.cluster, tasks=[self.arn], include=["TAGS"])["tasks"]
        return dict(found[0]) if found else {"lastStatus": "STOPPED"}

    def follow(self, *, seconds: float, log_seconds: float, last: str | None = None) -> Iterator[str]:
        """Give each line of its log as it comes, until it has stopped and said all.

        Args:
            seconds: how long it may run.
            log_seconds: how long after its end a line may still come.
            last: how the last line begins, where that is known: after it nothing is waited for.

        Raises:
            TaskError: it still runs.
        """
        deadline = time.monotonic() + seconds
        ended = float("inf")
        token: str | None = None
        said_all = False
        while True:
            is_stopped = self.describe()["lastStatus"] == "STOPPED"
            lines, token = self._read(token)
            yield from lines
            said_all |= last is not None and any(line.startswith(last) for line in lines)
            now = time.monotonic()
            if is_stopped:
                ended = min(ended, now)
                if said_all or now - ended >= log_seconds:
                    return
            elif now > deadline:
                raise TaskError(f"task {self.arn} still runs after {seconds} s")
            time.sleep(POLL_SECONDS)

    def _read(self, token: str | None) -> tuple[list[str], str | None]:
        stream = f"{STREAMS}/{self.container}/{self.id}"
        place = {"logGroupName": self.log_group, "logStreamName": stream, "startFromHead": True}
        try:
            page = self.logs.get_log_events(**place, **({"nextToken": token} if token else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":  # it has said nothing yet
                return [], token
            raise
        return [event["message"] for event in page["events"]], page["nextForwardToken"]
