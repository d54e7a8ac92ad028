"""Times of values that were logged within one millisecond, and those that a clock says twice."""

from random import Random

import pytest

from mlflow_team.spool.timestamps import Timestamps


class Clock:
    """A machine's, which can be set, and what is logged by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.milliseconds, self.times = 1_000_000.0, Timestamps()
        monkeypatch.setattr("mlflow_team.spool.timestamps.time.time", lambda: self.milliseconds / 1000)

    def given(self, timestamp: float, step: int = 0) -> int:
        metric = {"key": "loss", "value": 1.0, "timestamp": int(timestamp), "step": step}
        self.times.part("r", metric)
        return int(str(metric["timestamp"]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_times_that_nobody_chose_are_parted_and_others_are_left(clock: Clock) -> None:
    given = clock.given
    assert [given(1_000_000) for _ in range(3)] == [1_000_000, 1_000_001, 1_000_002]
    assert [given(1_000_000, 1), given(1_000_000, 0), given(1_000_000, 1)] == [
        1_000_000,
        1_000_003,
        1_000_001,
    ]
    assert [given(500_000) for _ in range(2)] == [500_000, 500_000]  # somebody's own
    clock.milliseconds = 100_000  # the clock was set back by a quarter of an hour
    assert [given(100_000) for _ in range(2)] == [100_000, 100_001]
    clock.times.forget("r")
    assert given(100_000) == 100_000


def test_clock_that_is_set_back_says_no_time_twice(clock: Clock) -> None:
    given = clock.given
    assert [given(1_000_000), given(1_000_005, 1)] == [1_000_000, 1_000_005]
    assert given(1_000_000) == 1_000_001  # which step had it before is not known any more
    clock.milliseconds = 4_600_000  # an hour ahead, and back by a little more
    assert given(4_600_000) == 4_600_000
    clock.milliseconds = 1_000_000
    assert given(1_000_000) == 1_000_006


@pytest.mark.parametrize("seed", range(50))
def test_values_stay_apart_however_the_clock_is_set(clock: Clock, seed: int) -> None:
    random, told = Random(seed), set[tuple[int, int]]()  # noqa: S311 - repeats, by a seed
    true, off, logged = 1e12, 0, 3_000
    for _ in range(logged):
        true += random.choice((0.25, 0.25, 1.0, 3.0))
        if random.random() < 0.002:
            off = random.choice((-3_600_000, -5_000, -50, 0, 500, 30_000, 3_600_000))
        clock.milliseconds = true + off
        step = random.randrange(3)
        told.add((step, clock.given(clock.milliseconds, step)))
    assert len(told) == logged
