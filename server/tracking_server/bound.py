"""Says how far the live database has come when the restore drill begins: so much must be in the copy.

Run it as `python -m tracking_server.bound`. The last line it says is `bound: ` and a JSON object with
`bound`, the number below which every transaction has ended, and `at`, the database's own time. Exit codes as
in prepare.
"""

import json
import os
import sys
from contextlib import closing

from .errors import StartError
from .read_only import open_session
from .settings import read_live

ASK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, clock_timestamp()"


def main() -> int:
    """Ask the database, say the answer on stdout or the one reason on stderr; return the exit code."""
    try:
        backend = read_live(os.environ)
        with closing(open_session(backend, _say)) as session, session.cursor() as cursor:
            cursor.execute(ASK)
            bound, at = cursor.fetchone()
    except StartError as error:
        print(f"bound: {error}", file=sys.stderr)
        return error.exit_code
    print(f"bound: {json.dumps({'bound': bound, 'at': at.isoformat()})}", flush=True)
    return 0


def _say(progress: str) -> None:
    print(f"restore-drill: {progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
