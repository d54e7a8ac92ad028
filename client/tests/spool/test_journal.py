"""What a journal knows of itself after its process has died on a full disk."""

from pathlib import Path

import pytest

from mlflow_team.spool.journal import Header, Journal
from mlflow_team.spool.record import LOG_METRIC, SET_TAG, UPDATE_RUN, Record

METRIC, TAG = Record(api=LOG_METRIC, body={"key": "a"}), Record(api=SET_TAG, body={"key": "b"})
END = Record(api=UPDATE_RUN, body={"status": "FINISHED"})


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [((METRIC,), (METRIC, END), (1, True)), ((METRIC, END), (TAG,), (1, False)), ((), (END,), (0, True))],
)
def test_end_in_memory_is_told_again_and_all_else_there_is_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[Record, ...],
    after: tuple[Record, ...],
    known: tuple[int, bool],
) -> None:
    header = Header(
        tracking_uri="https://localhost", workspace=None, run_id="1", owner=True, pid=1, host="here", begun=0
    )
    journal = Journal.create(tmp_path / "journal", header, bound=10**6)
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
