"""The tasks' connections against what each instance class takes, and against what the server counts."""

import pytest

import connections
from config_reader import ConfigReader
from faults import WrongSettingsError
from infra.tests.conftest import CONFIG, declare
from rehearsal.deployment import Deployment, DeploymentError
from server.tracking_server.connections import PER_TASK
from settings import read_settings
from sizes import DATABASE_MEMORY

# What AWS's customers read with SHOW max_connections on instances with RDS's default.
SEEN = {"db.t4g.small": 181, "db.t3.small": 198, "db.t3.medium": 413, "db.m5.large": 856}


def test_infra_counts_as_many_connections_as_the_server() -> None:
    assert connections.PER_TASK == PER_TASK


@pytest.mark.parametrize("instance_class", SEEN)
def test_no_class_is_believed_to_take_more_than_was_seen(instance_class: str) -> None:
    seen = SEEN[instance_class]
    assert 0.6 * seen < connections.taken_by(instance_class) < seen


def test_the_formula_is_that_of_rds() -> None:
    # 70 % of 1 GiB by 9531392, and never more than 5000.
    assert connections.taken_by("db.t4g.micro") == 78
    assert connections.taken_by("db.r8g.16xlarge") == 5000


@pytest.mark.parametrize("instance_class", DATABASE_MEMORY)
def test_as_many_tasks_as_fit_are_taken_and_one_more_is_not(instance_class: str) -> None:
    taken, most = connections.taken_by(instance_class), connections.most_tasks(instance_class)
    assert connections.needed_by(most) <= taken < connections.needed_by(most + 1)
    assert most >= 2, "the default of maxTasks does not fit"


@pytest.mark.parametrize(
    ("tasks", "like", "found"),
    [(3, "db.t4g.micro", "db.t4g.small"), (5, "db.t4g.small", "db.t4g.medium"), (84, "db.t4g.small", "db.m")],
)
def test_the_class_that_is_told_is_the_smallest_that_takes_enough(tasks: int, like: str, found: str) -> None:
    told = connections.class_for(tasks, like)
    assert told.startswith(found)
    assert connections.most_tasks(told) >= tasks


def test_too_many_tasks_are_one_error_with_the_numbers_and_the_command(text_config: dict[str, str]) -> None:
    with pytest.raises(WrongSettingsError) as failure:
        read_settings(ConfigReader({**text_config, "maxTasks": "4"}))
    assert str(failure.value) == (
        "maxTasks: received 4; allowed: 1 to 2 on databaseClass db.t4g.micro, or a larger one: it takes some"
        " 78 connections, and 4 tasks need 131: 15 each, twice as many tasks during a deployment, and 11 in"
        " reserve\n    pulumi config set databaseClass db.t4g.small"
    )
    told = {**text_config, "maxTasks": "4", "databaseClass": "db.t4g.small"}
    assert read_settings(ConfigReader(told)).max_tasks == 4


@pytest.mark.rehearsal
def test_what_is_declared_is_what_was_computed_with(stack: Deployment) -> None:
    service = stack.one("aws:ecs/service:Service").inputs
    target = stack.one("aws:appautoscaling/target:Target").inputs
    assert service["deploymentMaximumPercent"] == connections.DEPLOYMENT_PERCENT
    most = target["maxCapacity"]
    assert connections.needed_by(most) <= connections.taken_by(
        stack.one("aws:rds/instance:Instance").inputs["instanceClass"]
    )
    # Nothing declares another limit.
    named = {p["name"] for p in stack.one("aws:rds/parameterGroup:ParameterGroup").inputs["parameters"]}
    assert "max_connections" not in named


@pytest.mark.rehearsal
def test_too_many_tasks_are_refused_at_preview() -> None:
    with pytest.raises(DeploymentError) as failure:
        declare({**CONFIG, "maxTasks": 4}, dry_run=True)
    assert failure.value.exit_code == 2
    assert str(failure.value).startswith("Wrong settings of stack paper (1):\nmaxTasks: received 4; ")
