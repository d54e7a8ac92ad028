from datetime import datetime
from typing import Any

import pytest

from drill.report import tell

DIFFERENT_TABLE = {"name": "metrics", "rows": 9, "changed": 0, "removed": 0, "lost": 2, "different": 1}
EQUAL_TABLE = {"name": "runs", "rows": 1234, "changed": 3, "removed": 1, "lost": 0, "different": 0}
OTHER_TABLES = [
    {"name": name, "rows": 2, "changed": 0, "removed": 0, "lost": 0, "different": 0}
    for name in ("spans", "jobs")
]
BEGUN = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


def report(*tables: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    return {
        "servedAt": "2026-11-23T12:12:03+00:00",
        "tables": list(tables),
        "answers": 5,
        "artifacts": 0,
        "faults": faults,
    }


def test_a_difference_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(EQUAL_TABLE, DIFFERENT_TABLE, faults=["metrics: 2 rows"])
    assert tell(found, 252.4, BEGUN) is False
    said = capsys.readouterr()
    assert "DIFFERENT metrics: 2 rows" in said.err
    assert "differences: 1" in said.out
    assert "RPO: the newest backup was 4 min 12 s old" in said.out
    assert "RTO: 12 min 3 s from asking RDS" in said.out
    assert "no artifact was read" in said.out


def test_without_a_difference_all_is_equal(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(report(EQUAL_TABLE, *OTHER_TABLES, faults=[]), 1, BEGUN) is True
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "equal"
    (others,) = [line.split() for line in said if line.startswith("2 others")]
    assert others == ["2", "others", "4", "0", "0", "0", "0"]
