"""MLflow's tables in a real Postgres: what is created, completed, passed and refused."""

import importlib
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType

import pytest
import sqlalchemy
from sqlalchemy import Engine, text

from rehearsal.postgres import SUPERUSER, Postgres
from server.tracking_server.errors import SchemaError

pytestmark = pytest.mark.rehearsal

OLDER = "bda7b8c39065"  # increase_model_version_tag_value_limit, of MLflow 2
UNKNOWN = "ffffffffffff"


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    # Imports MLflow, which takes seconds that tests without it should not pay.
    return importlib.import_module("server.tracking_server.schema")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def empty(postgres: Postgres) -> Engine:
    with closing(postgres.connect(database="postgres")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("DROP DATABASE IF EXISTS case_database")
        cursor.execute("CREATE DATABASE case_database")
    return engine_of(postgres, "case_database")


@pytest.fixture(scope="module")
def ready(postgres: Postgres, schema: ModuleType) -> Engine:
    engine = engine_of(postgres, "mlflow")
    schema.create(engine)
    return engine


def engine_of(postgres: Postgres, database: str) -> Engine:
    url = f"postgresql+psycopg2://{SUPERUSER}@/{database}?host={postgres.folder}"
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def tables(engine: Engine) -> set[str]:
    return set(sqlalchemy.inspect(engine).get_table_names())


def refusal(schema: ModuleType, engine: Engine) -> str:
    before = tables(engine)
    with pytest.raises(SchemaError) as error:
        schema.is_ready(engine)
    assert tables(engine) == before
    assert "nothing was changed" in str(error.value)
    return str(error.value)


def test_an_empty_database_is_not_ready_and_a_created_one_is(
    schema: ModuleType, empty: Engine, ready: Engine
) -> None:
    assert not schema.is_ready(empty)
    assert not tables(empty)
    assert schema.is_ready(ready)


@pytest.mark.parametrize(
    ("revision", "way_out"),
    [(OLDER, "<the image that ran before> && pulumi up"), (UNKNOWN, "<the newer image> && pulumi up")],
)
def test_another_revision_is_refused_with_both_names_and_the_command(
    schema: ModuleType, ready: Engine, revision: str, way_out: str
) -> None:
    with ready.connect() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
    set_revision(ready, revision)
    try:
        said = refusal(schema, ready)
    finally:
        set_revision(ready, head)
    assert revision in said
    assert head in said
    assert way_out in said


def test_tables_of_another_program_are_refused(schema: ModuleType, empty: Engine) -> None:
    execute(empty, "CREATE TABLE studies (id int)")
    assert "not MLflow's" in refusal(schema, empty)


def test_tables_of_an_mlflow_without_revisions_are_refused_when_they_hold_anything(
    schema: ModuleType, empty: Engine
) -> None:
    schema.FirstTables.metadata.create_all(empty)
    execute(empty, "INSERT INTO experiments (experiment_id, name) VALUES (0, 'Default')")
    assert "not MLflow's" in refusal(schema, empty)


def test_a_creation_that_was_cut_off_leaves_nothing_half_made_and_is_completed(
    schema: ModuleType, empty: Engine
) -> None:
    # The last migrations find this table in their way, after all the others have worked.
    execute(empty, "CREATE TABLE review_queues (id int)")
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="review_queues"):
        schema.create(empty)
    execute(empty, "DROP TABLE review_queues")
    assert tables(empty) == set(schema.FirstTables.metadata.tables)
    assert not schema.is_ready(empty)
    schema.create(empty)
    assert schema.is_ready(empty)
