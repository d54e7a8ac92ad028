"""A database of a test's own, which it may end, cut off and move, in the AWS that all tests share."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.certificates import Certificate
from rehearsal.database import DatabaseFront
from rehearsal.emulator import REGION
from rehearsal.postgres import Postgres
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress
from server.tests.conftest import MASTER_PASSWORD, World


@dataclass
class OwnDatabase:
    """A prepared database and what stands before it.

    Attributes:
        world: starts programs that log in there.
    """

    world: World
    front: DatabaseFront
    certificate: Certificate

    def moved(self, address: str) -> DatabaseFront:
        """Return another front, not yet open, at the same name and port and another IP address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, self.world.login.address.port), family=family)
        return DatabaseFront(self.world.login, self.certificate, listener)


@contextmanager
def own_database(
    world: World, folder: Path, host: str = "localhost", address: str = "127.0.0.1"
) -> Iterator[OwnDatabase]:
    """Start another Postgres behind a front of its own, under a name that its certificate bears."""
    with Postgres() as postgres, socket.create_server((address, 0)) as listener:
        login = RdsLogin(
            postgres=postgres,
            address=DatabaseAddress(host=host, port=listener.getsockname()[1], region=REGION),
            master_password=MASTER_PASSWORD,
            secret_of=world.login.secret_of,
            authorize=world.login.authorize,
        )
        own = World(folder, world.authority, world.emulator, world.role, (postgres, login))
        certificate = world.authority.issue("own-database", host)
        with DatabaseFront(login, certificate, listener) as front:
            yield OwnDatabase(own, front, certificate)
