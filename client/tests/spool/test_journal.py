"""The journal on the disk: order, bounds, full disks, torn and damaged lines, and who owns it."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.tests.interrupted import everywhere
from mlflow_team.spool import journal as module
from mlflow_team.spool.journal import DAMAGED, DIED, FULL, Journal
from mlflow_team.spool.lock import BusyError
from mlflow_team.spool.record import LOG_METRIC, SET_TAG, UPDATE_RUN, Record
from mlflow_team.spool.state import BYTES, OTHER, REASONS, Header, State, StateFile

HEADER = Header(
    tracking_uri="http://127.0.0.1:1",
    workspace=None,
    run_id="a" * 32,
    owner=True,
    pid=1,
    host="here",
    begun=1.0,
)


def metric(step: int) -> Record:
    body = {"run_id": HEADER.run_id, "key": "loss", "value": 0.5, "timestamp": 1, "step": step}
    return Record(api=LOG_METRIC, body=body)


TAG = Record(api=SET_TAG, body={"run_id": HEADER.run_id, "key": "b"})
END = Record(api=UPDATE_RUN, body={"run_id": HEADER.run_id, "status": "FINISHED"})


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    made: list[Journal] = []

    def create(bound: int = 10**9) -> Journal:
        made.append(Journal.create(tmp_path / f"{HEADER.run_id}.1.{len(made):08x}", HEADER, bound=bound))
        return made[-1]

    yield create
    for journal in made:
        journal.close(remove=False) if journal._log >= 0 else None


def steps(journal: Journal) -> list[int]:
    """Take everything, as a sender does."""
    found = []
    while entries := journal.pending():
        found += [entry.record.body["step"] for entry in entries]
        journal.done(entries)
    return found


def reopened(journal: Journal) -> Journal:
    """Return what another process finds after this one's death."""
    journal._held.release()
    return Journal.open(journal.folder)


def test_records_come_back_in_order_across_segments(
    make: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(module, "READ_BYTES", 300)
    journal = make()
    assert all(journal.append(metric(step)) for step in range(100))
    assert len(list(journal.folder.glob("*.log"))) > 5
    assert steps(journal) == list(range(100))
    assert (journal.waiting, journal.state.sent) == (0, 100)
    assert len(list(journal.folder.glob("*.log"))) == 1  # what was sent takes no room


def test_what_was_acknowledged_is_not_sent_again_after_a_death(make: Callable[..., Journal]) -> None:
    journal = make()
    for step in range(10):
        journal.append(metric(step))
    journal.done(journal.pending()[:4])
    again = reopened(journal)
    assert (again.waiting, again.state.sent) == (6, 4)
    assert steps(again) == [4, 5, 6, 7, 8, 9]
    again.close(remove=True)
    assert not journal.folder.exists()


def test_torn_last_line_was_never_acknowledged_and_a_damaged_one_is_counted(
    make: Callable[..., Journal],
) -> None:
    journal = make()
    for step in range(3):
        journal.append(metric(step))
    log = journal.folder / "000001.log"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[1].replace(b"0.5", b"0.7") + lines[2] + lines[0][:20])
    again = reopened(journal)
    assert [entry.record is None for entry in again.pending()] == [False, True, False]
    assert again.waiting == 3
    again.done(again.pending()[:1])
    again.done(again.pending()[:1], refused=DAMAGED)
    assert again.state.why == {DAMAGED: 1}
    again.close(remove=False)


def test_full_spool_refuses_metrics_first_and_counts_them(make: Callable[..., Journal]) -> None:
    journal = make(bound=2000)
    kept = sum(journal.append(metric(step)) for step in range(50))
    assert 5 < kept < 50
    tag = Record(api=SET_TAG, body={"run_id": HEADER.run_id, "key": "a", "value": "b"})
    assert journal.append(tag)
    assert (journal.state.lost, journal.state.why) == (50 - kept, {FULL: 50 - kept})
    assert len(steps_and_tags(journal)) == kept + 1
    assert journal.append(metric(99))  # there is room again


def steps_and_tags(journal: Journal) -> list[str]:
    found = []
    while entries := journal.pending():
        found += [entry.record.api for entry in entries]
        journal.done(entries)
    return found


@pytest.mark.parametrize("written", [0, 7])
def test_full_disk_keeps_values_in_memory_and_counts_them_as_lost_if_the_process_dies(
    make: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    journal, write = make(), os.write
    journal.append(metric(0))

    def full(file: int, line: bytes) -> int:
        if file != journal._log:
            return write(file, line)
        if written:
            return write(file, line[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert journal.append(metric(1))
    assert journal.append(metric(2))
    monkeypatch.setattr(os, "write", write)
    assert journal.append(metric(3))  # behind those in memory
    dead = reopened(journal)
    assert dead.state.why == {DIED: 3}
    assert steps(dead) == [0]
    dead.close(remove=False)
    assert steps(journal) == [0, 1, 2, 3]
    assert journal.state.at_risk == 0
    assert journal.append(metric(4))
    assert steps(journal) == [4]
    assert b'"step":4' in (journal.folder / "000001.log").read_bytes()


def test_living_owners_journal_is_not_opened_by_another_process(make: Callable[..., Journal]) -> None:
    journal = make()
    text = (
        "import sys; from pathlib import Path; from mlflow_team.spool.journal import Journal; "
        "from mlflow_team.spool.lock import BusyError\n"
        "try:\n    Journal.open(Path(sys.argv[1]))\nexcept BusyError:\n    sys.exit(7)"
    )
    command = [sys.executable, "-c", text, str(journal.folder)]
    assert subprocess.run(command, check=False).returncode == 7
    journal.close(remove=False)
    assert subprocess.run(command, check=False).returncode == 0
    assert issubclass(BusyError, RuntimeError)


def test_forked_child_that_closes_its_copy_takes_no_lock_away(make: Callable[..., Journal]) -> None:
    journal = make()
    child = os.fork()
    if child == 0:
        journal._held.release()
        os._exit(0)
    os.waitpid(child, 0)
    text = (
        "import sys; from pathlib import Path; from mlflow_team.spool.journal import Journal; "
        "Journal.open(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, str(journal.folder)], capture_output=True, text=True, check=False
    )
    assert "BusyError" in done.stderr


def test_end_of_a_run_is_remembered(make: Callable[..., Journal]) -> None:
    journal = make()
    journal.append(Record(api=UPDATE_RUN, body={"run_id": HEADER.run_id, "status": "RUNNING"}))
    assert not journal.state.ended
    journal.append(Record(api=UPDATE_RUN, body={"run_id": HEADER.run_id, "status": "FAILED"}))
    assert reopened(journal).state.ended == "FAILED"


def test_files_count_against_the_bound_until_they_are_sent(
    make: Callable[..., Journal], tmp_path: Path
) -> None:
    journal, file = make(bound=10_000), tmp_path / "a.bin"
    file.write_bytes(bytes(6_000))
    kept = journal.keep(file)
    assert (journal.folder / kept).read_bytes() == bytes(6_000)
    with pytest.raises(OSError, match=FULL):
        journal.keep(file)
    journal.discard(kept)
    assert journal.keep(file)


def test_state_fits_into_its_place_whatever_the_reasons(tmp_path: Path) -> None:
    state, file = State(), StateFile(tmp_path / "state.json")
    for number in range(50):
        state.lose(1, f"{number} " + '\U0001f600\\"' * 200)
    assert len(state.why) == REASONS + 1
    assert state.why[OTHER] == 50 - REASONS
    state.told = [1] * len(state.why)
    file.write(state)
    assert (tmp_path / "state.json").stat().st_size == BYTES
    assert file.read() == state
    assert json.loads((tmp_path / "state.json").read_text())["lost"] == 50


def test_only_what_the_run_has_not_been_told_is_untold() -> None:
    state = State()
    state.lose(3, "a")
    state.told = [2]
    state.lose(1, "b")
    assert state.untold == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        ((metric(1),), (metric(1), END), (1, True)),
        ((metric(1), END), (TAG,), (1, False)),
        ((), (END,), (0, True)),
    ],
)
def test_end_in_memory_is_told_again_and_all_else_there_is_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[Record, ...],
    after: tuple[Record, ...],
    known: tuple[int, bool],
) -> None:
    journal = Journal.create(tmp_path / "journal", HEADER, bound=10**6)
    for record in before:
        journal.append(record)
    with monkeypatch.context() as disk:
        disk.setattr(Journal, "_written", lambda *_: False)
        for record in after:
            journal.append(record)
    journal.close(remove=False)
    left = Journal.open(tmp_path / "journal")
    assert left.state.ended == "FINISHED"
    assert (left.state.lost, left.state.end_at_risk) == known
    left.close(remove=True)


@pytest.mark.parametrize("disk_full", [False, True])
def test_interrupted_call_loses_and_holds_up_nothing_of_the_others(
    make: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch, *, disk_full: bool
) -> None:
    written = os.write

    def write(file: int, text: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "full")
        return written(file, text)

    monkeypatch.setattr(os, "write", write)
    full, points = False, 0
    journal = make()

    def append() -> None:
        journal.append(metric(0))

    for point in everywhere(append):
        points += 1
        full = False
        journal.append(metric(point))
        full = disk_full
        journal.append(metric(point + 1))
        assert journal.waiting >= 2, "nobody would wait for what was acknowledged"
        assert [step for step in steps(journal) if step] == [point, point + 1]
        assert (journal.waiting, journal.state.lost, journal.state.at_risk) == (0, 0, 0)
    assert points > 30
