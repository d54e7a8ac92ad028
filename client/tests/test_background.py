"""What works beside a script goes on after a Ctrl-C at any point of the script."""

import contextvars
import threading

import pytest

from client.tests.interrupted import everywhere
from mlflow_team.background import Bell, Line, Worker, poll, undisturbed

SECONDS = 10.0


def test_jobs_are_done_in_order_by_one_thread() -> None:
    done: list[int] = []
    line = Line[int]("numbers", done.append)
    for number in range(100):
        line.add(number)
    assert line.wait(SECONDS)
    assert done == list(range(100))
    line.close()


def test_wait_ends_with_its_time() -> None:
    bell = Bell()
    line = Line[int]("slow", lambda _: bell.wait(SECONDS) and None)
    line.add(1)
    assert not line.wait(0.01)
    bell.ring()
    assert line.wait(SECONDS)
    line.close()


def test_bell_is_heard_once_however_often_it_was_rung() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_interrupt_while_a_job_is_added_holds_up_no_other() -> None:
    done: list[int] = []
    lines: list[Line[int]] = []

    def add() -> None:
        lines.append(Line[int]("interrupted", done.append))
        lines[-1].add(0)

    points = 0
    for point in everywhere(add):
        points += 1
        if not lines:
            continue
        lines[-1].add(point)
        assert lines[-1].wait(SECONDS), f"stuck after an interrupt at point {point}"
        assert done[-1] == point
        lines.pop().close()
    assert points > 10


def test_two_threads_never_do_the_work_of_one() -> None:
    begun: list[int] = []
    over = Bell()

    def work() -> None:
        begun.append(1)
        over.wait(SECONDS)

    worker = Worker("once", work)
    for _ in everywhere(worker.begin):
        pass
    worker.begin()
    assert poll(lambda: bool(begun), SECONDS)
    assert len(begun) == 1
    over.ring()


def test_thread_that_died_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    done: list[int] = []

    def work() -> None:
        if not told:
            raise RuntimeError
        done.append(1)

    worker = Worker("dies", work)
    worker.begin()
    assert poll(lambda: bool(told), SECONDS)

    def again() -> bool:
        worker.begin()
        return bool(done)

    assert poll(again, SECONDS)


def test_interrupt_leaves_no_lock_taken_of_what_was_done_apart() -> None:
    lock = threading.Condition(threading.Lock())  # as urllib3's pool has one

    def call() -> None:
        with lock:
            pass

    points = 0
    for _ in everywhere(lambda: undisturbed(call)):
        points += 1
        assert poll(lambda: not lock._lock.locked(), SECONDS)  # pyright: ignore[reportAttributeAccessIssue]
    assert points > 5
    stuck = [True for _ in everywhere(call) if (locked := lock._lock).locked() and not locked.release()]  # pyright: ignore[reportAttributeAccessIssue]
    assert stuck, "without it the lock stays taken: else this test finds nothing"


def test_what_is_done_apart_answers_raises_and_has_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="")
    variable.set("ours")
    assert undisturbed(variable.get) == "ours"
    with pytest.raises(ZeroDivisionError):
        undisturbed(lambda: 1 / 0)
