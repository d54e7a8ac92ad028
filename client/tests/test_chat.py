"""A chat on loopback that answers as a test tells it."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from client.tests.servers import Answer, Server, server
from mlflow_team import command, contract, tags
from mlflow_team.chat import address, message, notify, slack, teams, webhook
from mlflow_team.chat.address import Address, Service

SECRET = "T000-B000-XyZ"


@pytest.fixture
def answers() -> list[Answer]:
    """Return what the chat answers, one by one, then 200."""
    return []


@pytest.fixture
def chat(answers: list[Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with server(lambda _: answers.pop(0) if answers else Answer()) as running:
        file = tmp_path / "address.txt"
        file.touch(0o600)
        file.write_text(f"{running.uri}/{SECRET}")
        monkeypatch.setenv(address.FILE, str(file))
        yield running


def bodies(chat: Server) -> list[dict[str, object]]:
    assert notify.wait()
    return [json.loads(asked.body) for asked in chat.asked]


def some(**changed: object) -> message.Message:
    known: dict[str, object] = {
        "run_id": "abc",
        "name": "first",
        "experiment": "churn",
        "state": "FINISHED",
        "caller": "ada",
        "duration": "0:01:00",
        "metrics": (message.Metric("accuracy", "0.97", "(+0.01, +1 %, better)"),),
        "more_metrics": 0,
        "baseline": "best",
        "link": "https://mlflow.example.com/#/experiments/1/runs/abc?workspace=vision",
    }
    return message.Message(**{**known, **changed})  # pyright: ignore[reportArgumentType]


def test_run_that_ends_is_told_once(tracking: MlflowClient, chat: Server) -> None:
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_metric("accuracy", 0.97)
        with mlflow.start_run(nested=True):
            pass
    assert notify.wait()
    notify.notify(run)
    (told,) = bodies(chat)
    assert told["name"] == "first"
    assert told["state"] == "FINISHED"
    assert told["duration"]
    assert told["caller"]
    assert told["metrics"] == [{"name": "accuracy", "value": "0.97", "change": ""}]
    now = tracking.get_run(run.info.run_id)
    assert now.data.tags[tags.NOTIFIED] == "FINISHED"
    assert SECRET not in str(now.to_dictionary())


def test_run_is_told_while_it_runs_and_when_it_fails(tracking: MlflowClient, chat: Server) -> None:
    def fails() -> None:
        with mlflow.start_run():
            notify.notify()
            assert notify.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert [told["state"] for told in bodies(chat)] == ["RUNNING", "FAILED"]


def test_metrics_are_told_with_their_change_against_the_contracts_baseline(
    tracking: MlflowClient, chat: Server
) -> None:
    asked = contract.Contract(metrics={"accuracy": contract.MetricRule("higher", 0.01)}, baseline="best=yes")
    experiment = tracking.get_experiment_by_name("tests")
    tracking.set_experiment_tag(experiment.experiment_id, tags.CONTRACT, asked.to_json())
    with mlflow.start_run(run_name="old", tags={"best": "yes"}):
        mlflow.log_metric("accuracy", 0.8)
    with mlflow.start_run(run_name="new"):
        mlflow.log_metrics({"accuracy": 0.6, "a loss": 1.0, "system/cpu": 3.0})
    first, second = bodies(chat)
    assert first["baseline"] == ""
    assert second["baseline"] == "old"
    assert second["metrics"] == [
        {"name": "accuracy", "value": "0.6", "change": "(-0.2, -25 %, worse)"},
        {"name": "a loss", "value": "1", "change": ""},
    ]


def test_it_can_be_switched_off(
    tracking: MlflowClient, chat: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_NOTIFY", "off")
    with mlflow.start_run():
        pass
    assert bodies(chat) == []


def test_chat_that_hangs_holds_up_no_run(tracking: MlflowClient, chat: Server) -> None:
    open_again = threading.Event()

    with server(lambda _: (open_again.wait(30) and Answer()) or Answer()) as slow:
        Path(address.os.environ[address.FILE]).write_text(slow.uri)
        with mlflow.start_run():
            pass
        assert not notify.wait(0.1)
        open_again.set()
        assert notify.wait()


@pytest.mark.parametrize("status", [400, 404, 302])
def test_what_is_refused_is_not_tried_again_and_shows_no_address(
    tracking: MlflowClient, chat: Server, answers: list[Answer], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    answers.append(Answer(status, {"Location": f"{chat.uri}/elsewhere"}))
    with caplog.at_level(logging.DEBUG), mlflow.start_run() as run:
        pass
    assert len(bodies(chat)) == 1
    assert f"json did not take the message: status {status}" in caplog.text
    assert SECRET not in caplog.text
    assert tags.NOTIFIED not in tracking.get_run(run.info.run_id).data.tags


def sent(answers: list[Answer]) -> tuple[list[float], int, Exception | None]:
    pauses: list[float] = []
    with server(lambda _: answers.pop(0) if answers else Answer()) as running:
        error = None
        try:
            webhook.send(Address(Service.JSON, f"{running.uri}/{SECRET}"), some(), pauses.append)
        except webhook.ChatError as failed:
            error = failed
        return pauses, len(running.asked), error


def test_service_says_when_to_come_again() -> None:
    assert sent([Answer(429, {"Retry-After": "3"}), Answer(503), Answer(503)]) == ([3.0, 2.0, 4.0], 4, None)


def test_service_that_stays_away_is_given_up() -> None:
    pauses, count, error = sent([Answer(503)] * 9)
    assert (pauses, count) == ([1.0, 2.0, 4.0], webhook.ATTEMPTS)
    assert str(error) == "json did not take the message: status 503"


def test_service_that_asks_for_an_hour_is_given_up() -> None:
    pauses, count, error = sent([Answer(429, {"Retry-After": "3600"})])
    assert (pauses, count) == ([], 1)
    assert "3600 s" in str(error)


def test_error_holds_no_address() -> None:
    with server(lambda _: Answer()) as closed:
        pass
    with pytest.raises(webhook.ChatError) as failed:
        webhook.send(Address(Service.SLACK, f"{closed.uri}/{SECRET}"), some(), lambda _: None)
    assert "slack did not take the message: ConnectionError" in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("-1", 0.0), ("soon", None), ("", None), ("inf", None), ("nan", None)]
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert webhook.retry_after(text) == seconds


def test_retry_after_a_date_that_is_over() -> None:
    assert webhook.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "told",
    [
        some(),
        some(metrics=(), link="", baseline=""),
        some(
            name=message.short(LONG, message.LONGEST_NAME),
            metrics=(message.Metric("<" * message.LONGEST_NAME, "1", "(+1)"),) * message.MOST_METRICS,
            more_metrics=99,
        ),
    ],
)
def test_slack_takes_it(told: message.Message) -> None:
    body = slack.body(told)
    assert len(body["blocks"]) <= 50
    for block in body["blocks"]:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        if "fields" in block:
            assert 0 < len(block["fields"]) <= 10
            assert all(0 < len(each["text"]) <= 2000 for each in block["fields"])
        elif block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= 3000


def test_slacks_golden_message() -> None:
    assert slack.body(some(name="<!channel>", baseline="")) == {
        "text": "&lt;!channel&gt; finished",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "<!channel> finished", "emoji": False}},
            {
                "type": "section",
                "fields": [
                    {"type": "mrkdwn", "text": "*Experiment*\nchurn"},
                    {"type": "mrkdwn", "text": "*State*\nFINISHED"},
                    {"type": "mrkdwn", "text": "*Duration*\n0:01:00"},
                    {"type": "mrkdwn", "text": "*Caller*\nada"},
                ],
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*accuracy* 0.97 (+0.01, +1 %, better)"},
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": f"<{some().link}|Open the run>",
                },
            },
        ],
    }


def test_teams_golden_message() -> None:
    body = teams.body(some(name="[a](b)"))
    ((attachment),) = body["attachments"]
    card = attachment["content"]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    title, facts, metrics = card["body"]
    assert title["text"] == "\\[a\\]\\(b\\) finished"
    assert title["color"] == "good"
    assert [fact["title"] for fact in facts["facts"]] == [
        "Experiment",
        "State",
        "Duration",
        "Caller",
        "Baseline",
    ]
    assert metrics["facts"] == [{"title": "accuracy", "value": "0.97 \\(\\+0.01, \\+1 %, better\\)"}]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open the run", "url": some().link}]


def test_teams_takes_the_longest() -> None:
    longest = some(
        name=message.short(LONG, message.LONGEST_NAME),
        experiment=message.short("*" * 999, message.LONGEST_VALUE),
        caller=message.short(LONG, message.LONGEST_VALUE),
        metrics=(message.Metric("_" * message.LONGEST_NAME, "1", "(+1)"),) * message.MOST_METRICS,
        link="https://x/" + "l" * 2000,
    )
    assert len(json.dumps(teams.body(longest)).encode()) < teams.LARGEST


def test_text_of_a_stranger_stays_on_its_line() -> None:
    assert message.short("a\nb\x1b[0m", 80) == "a\ufffdb\ufffd[0m"
    assert message.short("x" * 90, 80) == "x" * 79 + "…"


def test_link_has_no_login() -> None:
    assert message.without_login("https://ada:pw@mlflow.example.com/a") == "https://mlflow.example.com/a"


def test_apprise_takes_all_others(
    answers: list[Answer], chat: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = chat.uri.removeprefix("http://")
    webhook.send(Address(Service.APPRISE, f"json://{host}/{SECRET}"), some())
    (asked,) = bodies(chat)
    assert "accuracy: 0.97 (+0.01, +1 %, better)" in str(asked["message"])
    answers.append(Answer(500))
    with pytest.raises(webhook.ChatError):
        webhook.send(Address(Service.APPRISE, f"json://{host}/{SECRET}"), some())
    with pytest.raises(webhook.ChatError, match="does not know"):
        webhook.send(Address(Service.APPRISE, "nothing://"), some())
    assert SECRET not in caplog.text


def test_command_tries_the_chat(
    chat: Server, answers: list[Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["chat", "test"]) == 0
    assert "json took the message" in capsys.readouterr().out
    answers.append(Answer(404))
    assert command.main(["chat", "test"]) == 1
    assert "status 404" in capsys.readouterr().err
    Path(address.os.environ[address.FILE]).write_text("unset")
    assert command.main(["chat", "test"]) == command.BAD_INPUT
    assert SECRET not in "".join(capsys.readouterr())


def test_process_that_ends_sends_what_waits(tracking: MlflowClient, chat: Server, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import mlflow\nmlflow.set_experiment('tests')\nwith mlflow.start_run(): pass\n")
    uri = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
    subprocess.run([sys.executable, str(script)], env={**address.os.environ, **uri}, check=True, timeout=60)
    assert len(chat.asked) == 1
