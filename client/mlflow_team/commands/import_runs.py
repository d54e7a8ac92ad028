"""`mlflow-team import`: runs from a spreadsheet."""

import argparse
import os
import sys
import zoneinfo
from pathlib import Path

from mlflow_team.bad_input import BadInputError

WROTE, FAILED = 0, 1
# Else MLflow asks the server twice for each run that ends, to print two lines.
NO_LINKS = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
NO_EXTRA = (
    "spreadsheets need an extra that is not installed: pip install 'mlflow-team[sheets]', from ./client"
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "import",
        help="import runs from an .xlsx or .csv file",
        description="The first row names the columns, the second says what each is: parameter, metric, tag,"
        " note, start time, end time, artifact path, run name, status, key or ignore. A run is found again by"
        " its key, else its run name, else its row: importing twice adds nothing, a changed row changes its"
        " run. Exit code 0: written, 1: the server failed, run it again; 2: the sheet is wrong, nothing was"
        " written.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=".xlsx, .csv or .tsv")
    parser.add_argument("--experiment", required=True, metavar="NAME", help="made where there is none")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written")
    parser.add_argument(
        "--replace", action="store_true", help="delete and make anew runs that MLflow cannot change so"
    )
    parser.add_argument("--sheet", metavar="NAME", help="of an .xlsx file (default: the first)")
    parser.add_argument("--encoding", metavar="NAME", help="of a .csv file (default: utf-8, else cp932)")
    parser.add_argument("--decimal", choices=(",", "."), help="where a number could be two")
    parser.add_argument(
        "--timezone", metavar="ZONE", help="of times without one, as Asia/Tokyo (default: here)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, hold against the server, write.

    Raises:
        BadInputError: the sheet cannot become runs; all faults are in it.
    """
    try:
        import openpyxl  # noqa: F401, PLC0415 - the extra `sheets`
        from tqdm import tqdm  # noqa: PLC0415 - same
    except ImportError:
        raise BadInputError([NO_EXTRA]) from None
    import mlflow  # noqa: PLC0415 - seconds, which --help does not need
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    from mlflow_team.spreadsheet import importing, rows, sheet  # noqa: PLC0415 - same

    print(f"reading {options.file}", flush=True)
    read = sheet.read(options.file, encoding=options.encoding, sheet=options.sheet)
    reading = rows.Reading(
        decimal=options.decimal or "",
        zone=_zone(options.timezone),
        folder=options.file.absolute().parent,
        source="!".join([options.file.name, *([read.name] if read.name else [])]),
    )
    found, faults = rows.read(read, reading)
    if faults:
        raise BadInputError(faults)
    print(f"{len(found):,} rows, {read.taken}; reading the runs of {options.experiment!r}", flush=True)
    client = mlflow.MlflowClient()
    todo = importing.plan(client, options.experiment, found, replace=options.replace)
    print(todo.text(), flush=True)
    if options.dry_run:
        print("\n".join(change.text() for change in todo.changes) or "no run that is there would change")
        return WROTE
    remote = mlflow.get_tracking_uri().startswith("http")
    every = 0.5 if sys.stderr.isatty() else 10.0
    count = len(todo.new) + len(todo.changes)
    os.environ[NO_LINKS] = "true"
    with tqdm(total=count, unit="run", delay=2, mininterval=every) as bar:
        try:
            importing.write(client, todo, bar.update, threads=importing.THREADS if remote else 1)
        except (MlflowException, OSError) as error:
            bar.close()
            print(f"mlflow-team: {bar.n:,} runs were written, then: {error}", file=sys.stderr)
            print("mlflow-team: run it again, it goes on from there", file=sys.stderr)
            return FAILED
    print(f"{bar.n:,} runs written")
    return WROTE


def _zone(name: str | None) -> zoneinfo.ZoneInfo | None:
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInputError([f"--timezone is {name!r}: no zone; for example Asia/Tokyo, UTC"]) from None
