"""How records are joined into requests."""

from typing import Any

from mlflow_team.spool.batch import MOST, MOST_BYTES, first
from mlflow_team.spool.journal import Entry
from mlflow_team.spool.record import Record, read


def entries(*records: Record) -> list[Entry]:
    return [Entry(record, 1, number) for number, record in enumerate(records, 1)]


def record(api: str, **body: Any) -> Record:
    return Record(api=api, body={"run_id": "r", **body})


def metric(step: int, key: str = "loss") -> Record:
    return record("LogMetric", run_uuid="r", key=key, value=0.5, timestamp=1, step=step)


def test_metrics_parameters_and_tags_go_in_one_request_in_their_order() -> None:
    batch = first(
        entries(
            metric(0), record("LogParam", key="a", value="1"), metric(1),
            record("SetTag", key="t", value="x"), record("SetTag", key="t", value="y"),
            record("LogBatch", metrics=[{"key": "m", "value": 1}]),
        ), 100,
    )  # fmt: skip
    assert len(batch.entries) == 6
    assert batch.record is not None
    body = batch.record.body
    assert [each.get("step", each["key"]) for each in body["metrics"]] == [0, 1, "m"]
    assert "run_id" not in body["metrics"][0]
    assert body["params"] == [{"key": "a", "value": "1"}]
    assert body["tags"] == [{"key": "t", "value": "y"}]


def test_request_ends_at_the_servers_limits() -> None:
    assert len(first(entries(*map(metric, range(1500))), 2000).entries) == MOST["metrics"]
    params = [record("LogParam", key=f"p{number}", value="1") for number in range(150)]
    assert len(first(entries(*params), 2000).entries) == MOST["params"]
    tags = [record("SetTag", key=f"t{number}", value="x" * 8000) for number in range(150)]
    sent = first(entries(*tags), 2000)
    assert sent.record is not None
    assert 50 < len(sent.entries) < 100
    assert len(sent.record.line()) < MOST_BYTES + 20_000


def test_second_value_of_a_parameter_stands_alone_so_that_the_first_arrives() -> None:
    two = entries(record("LogParam", key="a", value="1"), record("LogParam", key="a", value="2"))
    assert len(first(two, 100).entries) == 1
    same = entries(record("LogParam", key="a", value="1"), record("LogParam", key="a", value="1"))
    assert len(first(same, 100).entries) == 2


def test_other_calls_keep_their_place() -> None:
    mixed = entries(metric(0), record("DeleteTag", key="t"), metric(1))
    assert [len(first(mixed[start:], 100).entries) for start in range(3)] == [1, 1, 1]


def test_users_own_batch_that_is_too_large_is_the_servers_to_refuse() -> None:
    large = record("LogBatch", params=[{"key": f"p{number}", "value": "1"} for number in range(150)])
    batch = first(entries(large, metric(0)), 100)
    assert (len(batch.entries), batch.record) == (1, large)


def test_record_is_read_back_from_its_line_and_nothing_else_is() -> None:
    one = Record(
        api="LogBatch", body={"run_id": "r", "metrics": [{"key": "ä\n", "value": "NaN"}]}, local_id="l"
    )
    assert read(one.line()) == one
    assert read(one.line()[:-3]) is None
    assert read(b"garbage\n") is None
    assert one.count == 1
