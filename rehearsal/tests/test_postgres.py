"""The Postgres of the rehearsal: what RDS makes is there, and nothing stays behind."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from rehearsal import postgres as module
from rehearsal.postgres import DATABASE, MASTER, Postgres

pytestmark = pytest.mark.rehearsal

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_it_is_postgres_16_with_what_rds_makes() -> None:
    with Postgres() as postgres, closing(postgres.connect(MASTER)) as master, master.cursor() as cursor:
        assert master.server_version // 10_000 == 16
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (DATABASE,))
        assert cursor.fetchone() == (MASTER,)
        cursor.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s", (MASTER,)
        )
        assert cursor.fetchone() == (False, True, True)
        cursor.execute("CREATE ROLE somebody; GRANT rds_iam TO somebody")


def test_it_listens_on_no_network() -> None:
    with Postgres() as postgres, closing(postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("",)
        assert stat.S_IMODE(postgres.folder.stat().st_mode) == 0o700


def test_nothing_is_left_although_a_session_is_open() -> None:
    with Postgres() as postgres, closing(postgres.connect()) as session:
        memory = shared_memory(session)
        postgres.__exit__(None, None, None)
        with pytest.raises(psycopg2.OperationalError):
            session.cursor().execute("SELECT 1")
    assert not postgres.folder.exists()
    assert not [part for part in memory if part.exists()]


def shared_memory(session: Any) -> list[Path]:
    """Return the shared memory that a session's process has mapped, where the system shows it."""
    maps = Path("/proc", str(session.info.backend_pid), "maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    return [Path(line.split()[-1]) for line in lines if "/dev/shm/" in line]  # noqa: S108


def test_its_log_outlives_it_where_it_was_told_to(tmp_path: Path) -> None:
    with Postgres(logs=tmp_path):
        pass
    assert "ready to accept connections" in (tmp_path / "postgres.log").read_text()


def test_two_do_not_disturb_each_other() -> None:
    with Postgres() as one, Postgres() as other:
        assert one.folder != other.folder
        other.connect().close()


def test_a_start_that_fails_leaves_nothing(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INSTALLATION", Path("nowhere"))
    with pytest.raises(FileNotFoundError), Postgres(open_folder):
        pass
    assert not list(open_folder.iterdir())


def test_programs_that_its_user_cannot_reach_are_copied_and_no_folder_is_opened_for_it(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Path(str(find_spec(module.PACKAGE).submodule_search_locations[0])).parent
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    for part in (module.INSTALLATION, Path(f"{module.PACKAGE}.libs"), Path(module.PACKAGE, ".dylibs")):
        if (packages / part).exists():
            shutil.copytree(packages / part, closed / part, symlinks=True)
    here = SimpleNamespace(submodule_search_locations=[str(closed / module.PACKAGE)])
    monkeypatch.setattr(module, "find_spec", lambda _: here)
    with Postgres(open_folder) as postgres:
        postgres.connect().close()
        assert (postgres.folder / "packages").exists() == AS_ROOT
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_folder_that_its_user_cannot_enter_is_refused_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refusal = pytest.raises(RuntimeError, match=f"cannot enter {tmp_path}") if AS_ROOT else nullcontext()
    with refusal, Postgres(tmp_path) as postgres:
        postgres.connect().close()
    assert not list(tmp_path.iterdir())
