"""What RDS keeps of a Postgres: its files and its log as it is written; and what it restores of them."""

import contextlib
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from rehearsal.postgres import SUPERUSER, Postgres
from rehearsal.processes import wait_until

RECEIVED_SECONDS = 60.0
RESTORED_SECONDS = 60.0
STOP_SECONDS = 10.0
# RDS writes something from time to time, so that its log has a commit after the time that is restored to.
HEARTBEAT = "SELECT clock_timestamp(), pg_logical_emit_message(true, 'heartbeat', '')"
RECEIVED = "SELECT coalesce(bool_or(write_lsn >= %s::pg_lsn), false) FROM pg_stat_replication"


class Backups:
    """Keeps them while the context is open, beside the data of the Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        """Take a Postgres that runs, as a process of this machine."""
        self._postgres = postgres
        self.base = postgres.folder / "backup"
        self.log = postgres.folder / "log"
        self._receiver: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        programs, folder = self._postgres.programs, self._postgres.folder
        self._postgres.run("mkdir", self.log)
        self._receiver = self._postgres.start(
            programs / "pg_receivewal",
            "--host",
            folder,
            "--username",
            SUPERUSER,
            "--directory",
            self.log,
            "--status-interval",
            "1",
            "--no-sync",
        )
        try:
            self.advance()
            self._postgres.run(
                programs / "pg_basebackup", "--host", folder, "--username", SUPERUSER, "--pgdata", self.base,
                "--checkpoint", "fast", "--no-sync",
            )  # fmt: skip
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._receiver is not None:
            self._receiver.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._receiver.wait(STOP_SECONDS)
            self._receiver.kill()
            self._receiver.wait()
        for folder in (self.base, self.log):
            shutil.rmtree(folder, ignore_errors=True)

    def advance(self) -> datetime:
        """Bring the backups up to now, and return the time to which one can restore.

        Raises:
            NotReadyError: the log does not arrive.
        """
        with contextlib.closing(self._postgres.connect()) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(HEARTBEAT)
            at = cursor.fetchone()[0]
            cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
            (end,) = cursor.fetchone()

            def reason_behind() -> str | None:
                cursor.execute(RECEIVED, (end,))
                return None if cursor.fetchone()[0] else f"{end} has not arrived"

            wait_until(reason_behind, what="Postgres's log", seconds=RECEIVED_SECONDS)
        return at


class RestoredPostgres(Postgres):
    """A second Postgres on the files of the backup, with the log replayed up to a time."""

    def __init__(self, backups: Backups, to: datetime, **options: Any) -> None:
        super().__init__(**options)
        self._backups = backups
        self._to = to

    def _fill(self, data: Path) -> None:
        log = self._backups.log
        self.run("cp", "-r", self._backups.base, data)
        settings = {
            "restore_command": f'cp "{log}/%f" "%p" || cp "{log}/%f.partial" "%p"',
            "recovery_target_time": self._to.isoformat(),
            "recovery_target_action": "promote",
        }
        lines = "\n".join(f"{name} = '{value}'" for name, value in settings.items())
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(f"{lines}\n")
        self.run("touch", data / "recovery.signal")

    def _create_what_rds_creates(self) -> None:
        """Wait until it is as it was then; all else is in it."""

        def reason_not_there() -> str | None:
            with contextlib.closing(self.connect(database="postgres")) as connection:
                cursor = connection.cursor()
                cursor.execute("SELECT pg_is_in_recovery()")
                return "it still replays its log" if cursor.fetchone()[0] else None

        wait_until(reason_not_there, what="the restored Postgres", seconds=RESTORED_SECONDS)
