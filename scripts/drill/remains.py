"""What drills have made and not removed yet: tasks, a right, copies of the database; and its removal."""

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from drill.instance import BY_TAG, DrillError, RefusedError, RestoredInstance, tags
from drill.login import POLICY, RestoredLogin
from drill.names import TAG, DrillNames
from drill.tasks import DrillTasks

FAILURES = (DrillError, RefusedError, ClientError, BotoCoreError)


class DrillRemains:
    """Finds and removes them; nothing without the drill's tag is touched."""

    def __init__(
        self,
        names: DrillNames,
        instances: RestoredInstance,
        login: RestoredLogin,
        tasks: DrillTasks,
        say: Callable[[str], None],
    ) -> None:
        self._names = names
        self._instances = instances
        self._login = login
        self._tasks = tasks
        self._say = say

    def remove(self) -> list[str]:
        """Remove all there is; return why what could not be removed could not."""
        faults = []
        for remove in (self._stop_tasks, self._login.take, self._delete_copies):
            try:
                remove()
            except FAILURES as error:
                faults.append(str(error))
        return faults

    def told(self) -> str:
        """Return what is there, and the commands that remove it; never fails."""
        try:
            lines = [f"  {what}: {command}" for what, command in self.found()]
        except FAILURES as error:
            return f"what is left could not be looked up ({error}): it bears the tag {TAG}"
        return "\n".join(["left, with what removes it:", *lines]) if lines else "nothing is left of it"

    def found(self) -> Iterator[tuple[str, str]]:
        """Yield what each is, and the command that removes it.

        Raises:
            ClientError: as botocore's.
        """
        names = self._names
        region = f"--region {names.region}"
        without_backups = "--skip-final-snapshot --delete-automated-backups"
        for task in self._tasks.leftovers():
            yield f"task {task}", f"aws ecs stop-task {region} --cluster {names.cluster} --task {task}"
        if self._login.given():
            role = f"--role-name {names.task_role} --policy-name {POLICY}"
            yield f"policy {POLICY} of {names.task_role}", f"aws iam delete-role-policy {role}"
        for instance in self._instances.leftovers():
            name = instance["DBInstanceIdentifier"]
            by = tags(instance).get(BY_TAG, "nobody knows whom")
            command = f"aws rds delete-db-instance {region} --db-instance-identifier {name} {without_backups}"
            yield f"copy {name}, made by {by}", command

    def _stop_tasks(self) -> None:
        for task in self._tasks.leftovers():
            self._tasks.stop(task)
            self._say(f"stopped task {task}")

    def _delete_copies(self) -> None:
        for instance in self._instances.leftovers():
            name = instance["DBInstanceIdentifier"]
            self._instances.delete(name)
            self._say(f"RDS deletes {name}, made by {tags(instance).get(BY_TAG, 'nobody knows whom')}")
