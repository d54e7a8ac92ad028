import psycopg2
import pytest
from botocore.exceptions import NoCredentialsError

from server.tracking_server import database
from server.tracking_server.database import connect
from server.tracking_server.errors import DatabaseError
from server.tracking_server.settings import Backend

BACKEND = Backend(
    region="eu-west-1",
    host="db.example",
    port=5432,
    database="mlflow",
    user="mlflow",
    artifact_root="s3://abc",
)
REFUSED = psycopg2.OperationalError("connection failed:\n\tConnection refused\n")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.01)


def opening(*failures: Exception) -> "Opening":
    return Opening(list(failures))


class Opening:
    """Fails as told, then opens."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.said: list[str] = []

    def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "open"


def test_a_database_that_comes_late_is_waited_for_and_each_reason_said_once() -> None:
    late = opening(REFUSED, REFUSED, psycopg2.OperationalError("FATAL: the database system is starting up"))
    assert connect(BACKEND, late, 5, late.said.append) == "open"
    assert late.said == [
        "waiting for the database at db.example:5432: connection failed: Connection refused",
        "waiting for the database at db.example:5432: FATAL: the database system is starting up",
    ]


def test_a_database_that_never_comes_is_one_sentence() -> None:
    never = opening(*[REFUSED] * 1000)
    with pytest.raises(
        DatabaseError, match=r"^the database at db.example:5432 did not .* Connection refused$"
    ):
        connect(BACKEND, never, 0.05, never.said.append)


@pytest.mark.parametrize(
    "reason",
    [
        'FATAL:  password authentication failed for user "mlflow_admin"',
        "SSL error: certificate verify failed",
        'FATAL:  database "mlflow" does not exist',
    ],
)
def test_what_waiting_does_not_mend_is_not_waited_for(reason: str) -> None:
    wrong = opening(psycopg2.OperationalError(reason))
    with pytest.raises(DatabaseError, match=r"^the database at db.example:5432 refuses: "):
        connect(BACKEND, wrong, 60, wrong.said.append)
    assert not wrong.said


def test_missing_credentials_are_not_waited_for() -> None:
    none = opening(NoCredentialsError())
    with pytest.raises(DatabaseError, match="no AWS credentials"):
        connect(BACKEND, none, 60, none.said.append)
