import mlflow
import pytest
from mlflow.tracking import MlflowClient

from mlflow_team import baseline
from mlflow_team.bad_input import BadInputError


def make(value: str | None = None, tag: str = "num_trial", name: str | None = None) -> str:
    with mlflow.start_run(run_name=name, tags={} if value is None else {tag: value}) as run:
        return run.info.run_id


def select(client: MlflowClient, selector: str) -> str:
    experiment = client.get_experiment_by_name("tests")
    assert experiment
    return baseline.select(client, selector, experiment).info.run_id


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "a=b",
        "it's",
        'say "so"',
        "'\"`",
        "' OR '1'='1",
        "1' -- ",
        "a\\",
        "%",
        "_",
        "",
        " ",
        "é 試行",
        "a;b",
        "\n",
    ],
)
def test_any_value_selects_exactly_its_run(tracking: MlflowClient, value: str) -> None:
    make("x"), make("A"), make()
    run = make(value)
    assert select(tracking, f"num_trial={value}") == run


@pytest.mark.parametrize("tag", ["num trial", "a/b.c-d:e", "mlflow.user2", "試行"])
def test_any_name_that_mlflow_takes_selects(tracking: MlflowClient, tag: str) -> None:
    run = make("1", tag)
    assert select(tracking, f"{tag}=1") == run


@pytest.mark.parametrize("selector", ["num`trial=1", "a'b=1", 'a"=1', "=1", "num_trial", "", "abc", "a\n=1"])
def test_what_selects_nothing_is_refused(tracking: MlflowClient, selector: str) -> None:
    with pytest.raises(BadInputError, match="selects no run, allowed is <tag>"):
        select(tracking, selector)


def test_several_are_listed_with_name_id_and_start(tracking: MlflowClient) -> None:
    runs = [make("1", name="first"), make("1", name="second")]
    with pytest.raises(BadInputError, match="selects 2 runs, allowed is one") as raised:
        select(tracking, "num_trial=1")
    for name, run in zip(("first", "second"), runs, strict=True):
        assert f"{name}  {run}  {baseline.start(tracking.get_run(run))}" in str(raised.value)


def test_many_are_counted(tracking: MlflowClient) -> None:
    for _ in range(22):
        make("1")
    with pytest.raises(BadInputError, match="and 2 more"):
        select(tracking, "num_trial=1")


def test_none_lists_the_runs_with_that_tag(tracking: MlflowClient) -> None:
    run = make("2", name="other")
    with pytest.raises(BadInputError, match=rf"no active run(.|\n)*other  {run} .*num_trial=2"):
        select(tracking, "num_trial=1")
    with pytest.raises(BadInputError, match="no run has the tag 'trial'"):
        select(tracking, "trial=1")


def test_a_deleted_run_is_no_baseline(tracking: MlflowClient) -> None:
    gone, run = make("1"), make("1")
    tracking.delete_run(gone)
    assert select(tracking, "num_trial=1") == run
    with pytest.raises(BadInputError, match=f"mlflow runs restore --run-id {gone}"):
        select(tracking, gone)


def test_a_run_of_another_experiment_is_a_baseline_by_its_id_alone(tracking: MlflowClient) -> None:
    mlflow.set_experiment("elsewhere")
    run = make("1")
    assert select(tracking, run) == run
    with pytest.raises(BadInputError, match="no active run"):
        select(tracking, "num_trial=1")


def test_a_run_that_is_not_there_is_told(tracking: MlflowClient) -> None:
    with pytest.raises(BadInputError, match=r"no run '0{32}'"):
        select(tracking, "0" * 32)
