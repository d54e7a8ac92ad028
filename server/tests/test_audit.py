import json
import logging
from typing import Any

import pytest

from server.tracking_server.audit import NAME, STRANGERS_LINES, STRANGERS_SECONDS, Audit
from server.tracking_server.caller import Caller, Level
from server.tracking_server.identity import Identity, Role
from server.tracking_server.refusal import Refusal
from server.tracking_server.serving import LOGGING

EXPIRED = Refusal(status=401, rule="expired", message="")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == NAME]


@pytest.fixture(autouse=True)
def _caught(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, NAME)
    logging.getLogger(NAME).propagate = True


def test_a_callers_line_says_who_what_and_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller(name="ada", team="vision", level=Level.WRITER)
    role = Role(partition="aws", account="123456789012", name="training-jobs")
    identity = Identity(role=role, session="ada")
    Audit().called("write", caller, identity, "POST /mlflow/runs/create", 200)
    (line,) = lines(caplog)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "audit": "write",
        "who": "ada",
        "role": "training-jobs",
        "account": "123456789012",
        "team": "vision",
        "level": "writer",
        "route": "POST /mlflow/runs/create",
        "status": 200,
    }


def test_no_name_forges_a_line(caplog: pytest.LogCaptureFixture) -> None:
    name = 'ada"}\n{"audit": "write"\u2028\r'
    Audit().called("write", Caller(name=name, team=None, level=Level.ADMIN), None, None, 200)
    (record,) = caplog.records
    assert len(record.getMessage().splitlines()) == 1
    assert record.getMessage().isascii()
    assert lines(caplog)[0]["who"] == name


def test_a_stranger_is_named_as_sts_named_it(caplog: pytest.LogCaptureFixture) -> None:
    who = Identity(role=Role(partition="aws", account="123456789012", name="quant"), session="eve")
    Audit().stranger(Refusal(status=403, rule="no team", message="x"), who, "192.0.2.1")
    (line,) = lines(caplog)
    wanted = {"audit": "not let in", "who": "eve", "role": "quant", "account": "123456789012"}
    assert line.items() >= wanted.items()


def test_strangers_do_not_fill_the_log_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    audit = Audit(clock)
    for _ in range(STRANGERS_LINES + 1000):
        audit.stranger(EXPIRED, None, "192.0.2.1")
    assert len(lines(caplog)) == STRANGERS_LINES
    clock.now = STRANGERS_SECONDS
    for _ in range(2):
        audit.stranger(EXPIRED, None, "192.0.2.1")
    assert [line["left_out"] for line in lines(caplog)[STRANGERS_LINES:]] == [1000, 0]


def test_callers_lines_are_never_left_out(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(Clock())
    for _ in range(STRANGERS_LINES + 1):
        audit.stranger(EXPIRED, None, "192.0.2.1")
        audit.called("write", Caller(name="ada", team="vision", level=Level.WRITER), None, "POST /x", 200)
    assert len([line for line in lines(caplog) if line["audit"] == "write"]) == STRANGERS_LINES + 1


def test_each_line_stands_on_stdout_alone() -> None:
    handler = LOGGING["handlers"]["audit"]  # type: ignore[index]
    assert LOGGING["loggers"][NAME] == {"handlers": ["audit"], "level": "INFO", "propagate": False}  # type: ignore[index]
    assert handler["stream"] == "ext://sys.stdout"  # type: ignore[index]
    assert LOGGING["formatters"][handler["formatter"]] == {"format": "%(message)s"}  # type: ignore[index]
