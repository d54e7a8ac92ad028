"""Compares a restored database with the live one, and asks a server that runs on it.

Run it as `python -m tracking_server.compare`, in the restore drill's task. The last line it says is
`report: ` and a JSON object. Exit codes: 0 all is equal, 1 something is not or could not be looked at,
2 wrong settings.
"""

import json
import os
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from .artifact_comparison import compare_artifacts
from .errors import StartError
from .read_only import open_session
from .restored_server import RestoredServer, ServerError
from .row_comparison import compare_rows
from .settings import ComparisonSettings, read_comparison

PAGE = 1000
RUNS_ASKED = 20
EXPERIMENTS = """
SELECT workspace, count(*) FROM experiments
WHERE lifecycle_stage = 'active' AND workspace <> 'default' GROUP BY workspace
"""
MODELS = "SELECT workspace, count(*) FROM registered_models WHERE workspace <> 'default' GROUP BY workspace"
# Of each: the workspace, and how many params, tags and latest metrics the tables hold.
RUNS = """
SELECT r.run_uuid, e.workspace,
    (SELECT count(*) FROM params p WHERE p.run_uuid = r.run_uuid),
    (SELECT count(*) FROM tags t WHERE t.run_uuid = r.run_uuid),
    (SELECT count(*) FROM latest_metrics m WHERE m.run_uuid = r.run_uuid)
FROM runs r JOIN experiments e USING (experiment_id)
WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' AND e.workspace <> 'default'
ORDER BY random() LIMIT %s
"""


def main() -> int:
    """Compare, say each step on stdout, and return the exit code."""
    try:
        report = _compare(read_comparison(os.environ))
    except StartError as error:
        print(f"compare: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    print(f"report: {json.dumps(report)}", flush=True)
    return 1 if report["faults"] else 0


def _compare(settings: ComparisonSettings) -> dict[str, Any]:
    with ExitStack() as stack:
        live, restored = (
            stack.enter_context(closing(open_session(backend, _say)))
            for backend in (settings.live, settings.restored)
        )
        server = stack.enter_context(RestoredServer(settings))
        server.wait(_say)
        served_at = datetime.now(UTC)
        with live.cursor() as of_live, restored.cursor() as of_restored:
            tables, faults = compare_rows(of_live, of_restored, settings.bound, _say)
            # Nobody reads in the live database any longer: its vacuum may go on.
            live.close()
            _say("asking the server")
            asked, unequal = _ask(of_restored, server)
            _say("reading sampled artifacts")
            artifacts, changed = compare_artifacts(of_restored, server, settings)
    return {
        "servedAt": served_at.isoformat(),
        "tables": [asdict(table) for table in tables],
        "answers": asked,
        "artifacts": artifacts,
        "faults": [*faults, *unequal, *changed],
    }


def _ask(restored: Any, server: RestoredServer) -> tuple[int, list[str]]:
    """Hold the server's answers against the tables it reads; return how many, and what is not so."""
    restored.execute(EXPERIMENTS)
    counts = [("experiments", *row) for row in restored.fetchall()]
    restored.execute(MODELS)
    counts += [("registered_models", *row) for row in restored.fetchall()]
    restored.execute(RUNS, (RUNS_ASKED,))
    runs = restored.fetchall()
    faults = []
    for what, workspace, count in counts:
        try:
            shown = _count(server, what, workspace)
        except ServerError as error:
            faults.append(str(error))
        else:
            if shown != count:
                faults.append(f"the server shows {shown} {what} of {workspace}, its tables hold {count}")
    for run_id, workspace, *wanted in runs:
        try:
            data = server.ask("runs/get", workspace, run_id=run_id)["run"]["data"]
        except ServerError as error:
            faults.append(str(error))
            continue
        shown = [len(data.get(name, [])) for name in ("params", "tags", "metrics")]
        if shown != wanted:
            faults.append(f"run {run_id}: the server shows {shown} params, tags, metrics; {wanted} are there")
    return len(counts) + len(runs), faults


def _count(server: RestoredServer, what: str, workspace: str) -> int:
    """Count through every page of a search."""
    path = f"{what.replace('_', '-')}/search"
    count, token = 0, ""
    while True:
        page = server.ask(path, workspace, max_results=PAGE, **({"page_token": token} if token else {}))
        count += len(page.get(what, []))
        token = page.get("next_page_token", "")
        if not token:
            return count


def _say(progress: str) -> None:
    print(f"restore-drill: {progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
