"""What a restore drill says at its end: counts by table, differences, RPO and RTO."""

import sys
from datetime import datetime
from typing import Any

# The others' rows are compared like these, and told as one sum.
NAMED = ("experiments", "runs", "metrics", "params", "tags", "registered_models", "model_versions")
COUNTS = ("rows", "changed", "removed", "lost", "different")


def tell(report: dict[str, Any], age: float, begun: datetime) -> bool:
    """Print it, differences on stderr; tell whether all was equal.

    Args:
        report: as `tracking_server.compare` answers.
        age: seconds, of the newest backup when the drill began.
        begun: when RDS was asked.
    """
    tables = {table["name"]: table for table in report["tables"]}
    print(
        f"\n{'table':<20}{'rows':>12}{'changed since':>15}{'removed since':>15}{'lost':>8}{'different':>11}"
    )
    others: dict[str, Any] = {"name": f"{len(set(tables) - set(NAMED))} others"}
    for count in COUNTS:
        others[count] = sum(table[count] for name, table in tables.items() if name not in NAMED)
    for table in [*(tables[name] for name in NAMED if name in tables), others]:
        print(
            f"{table['name']:<20}{table['rows']:>12,}{table['changed']:>15,}{table['removed']:>15,}"
            f"{table['lost']:>8,}{table['different']:>11,}"
        )
    answers, artifacts, faults = report["answers"], report["artifacts"], report["faults"]
    print(f"\nthe server on the copy gave {answers} answers, and {artifacts} artifacts were read")
    if not artifacts:
        print("no artifact was read: no run that had ended then has any")
    served = datetime.fromisoformat(report["servedAt"])
    print(f"RPO: the newest backup was {_span(age)} old when the drill began")
    print(f"RTO: {_span((served - begun).total_seconds())} from asking RDS to a server that answered")
    for fault in faults:
        print(f"DIFFERENT {fault}", file=sys.stderr)
    print("equal" if not faults else f"differences: {len(faults)}", flush=True)
    return not faults


def _span(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
