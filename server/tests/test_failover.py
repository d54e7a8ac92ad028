"""A failover as RDS does it: the old address dies without a word, and then the name leads to another one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.tests.conftest import World
from server.tests.load import under_load
from server.tests.own_database import OwnDatabase, own_database
from server.tests.served import started
from server.tests.test_lost_database import BEFORE, NAME, RECOVERY_SECONDS, check_recovery, kinds

pytestmark = pytest.mark.rehearsal

HOST = "database.rehearsal.test"
OLD, NEW = "127.0.0.2", "127.0.0.3"
# More than there are threads: who waits for one must not wait for each before it.
CROWD = 30
# Until all that was under way is given up; RDS takes one minute or two.
SILENT_SECONDS = 25


def namespace(hosts: Path) -> list[str]:
    """Return the command behind which a program sees another /etc/hosts, if this machine lets us."""
    for unshare in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        command = [*unshare, "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$0" "$@"']
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
            return command
    return []


@pytest.fixture
def database(world: World, tmp_path: Path) -> Iterator[tuple[OwnDatabase, Path | None]]:
    """A database whose name the returned file leads elsewhere; without one it is localhost, which has two."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{OLD} {HOST}\n")
    hosts.chmod(0o644)
    command = namespace(hosts)
    host, address = (HOST, OLD) if command else ("localhost", "127.0.0.1")
    with own_database(world, tmp_path, host, address) as database:
        database.world.before = command
        code, said = database.world.prepare(database.world.preparation())
        assert code == 0, said
        yield database, hosts if command else None


def test_a_failover_to_another_address_is_503_meanwhile_and_served_again_within_5_s(
    database: tuple[OwnDatabase, Path | None],
) -> None:
    own, hosts = database
    with started(own.world, NAME) as server:
        run, clients = kinds(server, "failover")
        clients["read"] *= CROWD
        with under_load(server, clients) as load:
            load.wait_for(BEFORE)
            own.front.fall_silent()
            own.world.postgres.kill()
            time.sleep(SILENT_SECONDS)
            own.world.postgres.restart()
            with own.moved(NEW if hosts else "::1"):
                if hosts:
                    hosts.write_text(f"127.0.0.1 localhost\n{NEW} {HOST}\n")
                back_at = time.monotonic()
                time.sleep(RECOVERY_SECONDS + 1)
                check_recovery(load, own.world, run, back_at)
