"""Which answers pass and which are for good, and how long anybody waits."""

import pytest

from mlflow_team.spool import reach
from mlflow_team.spool.reach import AwayError, Reach, RefusedError, judge


def mlflows(code: str) -> str:
    return f'{{"error_code": "{code}", "message": "m"}}'


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, "<html>"), (502, ""), (500, mlflows("INTERNAL_ERROR")), (404, "nginx"),
        (429, mlflows("REQUEST_LIMIT_EXCEEDED")), (401, mlflows("UNAUTHENTICATED")),
        (403, mlflows("PERMISSION_DENIED")),
        # MLflow's 400 for a full pool of connections.
        (400, mlflows("BAD_REQUEST")),
    ],
)  # fmt: skip
def test_answers_that_another_time_will_not_have(status: int, text: str) -> None:
    with pytest.raises(AwayError):
        judge(status, {}, text)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST"), (400, "NEW_CODE")],
)
def test_answers_for_good(status: int, code: str) -> None:
    with pytest.raises(RefusedError, match="m"):
        judge(status, {}, mlflows(code))


def test_server_says_how_long_to_leave_it_alone() -> None:
    with pytest.raises(AwayError) as error:
        judge(503, {"Retry-After": "7"}, "")
    assert Reach().failed(error.value) == 7.0
    with pytest.raises(AwayError) as error:
        judge(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "")
    assert Reach().failed(error.value) == reach.FIRST_PAUSE_SECONDS


def test_server_is_away_when_it_has_not_answered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(reach.time, "monotonic", lambda: now[0])
    known = Reach()
    known.asked()
    assert not known.away
    now[0] += reach.AWAY_SECONDS + 1  # it hangs
    assert known.away
    assert not known.failing
    pauses = [known.failed(AwayError("x", timeout=True)) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == reach.LONGEST_PAUSE_SECONDS
    assert known.seconds == reach.LONGEST_REQUEST_SECONDS
    known.answered({"Date": "Thu, 01 Jan 1970 01:00:00 GMT"})
    assert (known.away, known.failing, known.seconds) == (False, False, reach.REQUEST_SECONDS)
    assert known.clock_ahead < -1_000_000_000
