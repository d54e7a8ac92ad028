"""`python -m rehearsal`: deploy the declared stack into an emulated AWS on this machine and use it."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.certificates import BUNDLE_NAME
from rehearsal.deployment import DeploymentError
from rehearsal.laptop import ROOT
from rehearsal.processes import end_children
from rehearsal.report import Report
from rehearsal.stack import RehearsedStack
from rehearsal.steps import Steps
from rehearsal.teams import PERSON, TEAM

FOLDER = ROOT / ".rehearsal"
LOCK_FILE = FOLDER / "lock"
WORK_FILE = FOLDER / "work"
# Short: the name of a Unix socket in it has room for about a hundred bytes.
WORK_PREFIX = "mlflow-"
REPORT_FILE = FOLDER / "report.json"
CLIENT_FILE = FOLDER / "client.env"
# The shell that loads the client's environment may have a proxy.
LOOPBACK_WITHOUT_PROXY = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1")
FOREIGN_PREFIXES = ("AWS_", "MLFLOW_", "PG")
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class BusyError(RuntimeError):
    """This checkout cannot be rehearsed in: another rehearsal runs, or it is read-only."""


@contextmanager
def only_one() -> Iterator[None]:
    """Hold this checkout's rehearsal; the kernel lets go of it whatever happens to us.

    Raises:
        BusyError: another process holds it, or it cannot be written.
    """
    try:
        FOLDER.mkdir(exist_ok=True)
        lock = LOCK_FILE.open("a+")
    except OSError as error:
        raise BusyError(f"{FOLDER} cannot be written: {error}; clone to where you may write") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("a rehearsal is already running in this checkout: end it with Ctrl-C") from None
        yield


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or hang-up unwind everything, and later ones wait for that."""

    def interrupt(number: int, _: object) -> None:
        _ignore_interrupts()
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def forget_the_shell() -> None:
    """Drop what the shell says of AWS, MLflow, Postgres and proxies: all that is talked to is on loopback."""
    for name in [*os.environ]:
        if name.startswith(FOREIGN_PREFIXES) or name.lower().endswith("_proxy"):
            del os.environ[name]


def _ignore_interrupts() -> None:
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def working_folder() -> Iterator[Path]:
    """Make a short-lived folder, after removing the one that a killed rehearsal left."""
    if WORK_FILE.exists():
        left = Path(WORK_FILE.read_text())
        if left.name.startswith(WORK_PREFIX) and (left / BUNDLE_NAME).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as work:
        WORK_FILE.write_text(work)
        # Postgres, which does not run as root, passes through to a folder of its own.
        Path(work).chmod(0o711)
        yield Path(work)
    WORK_FILE.unlink()


def rehearse(*, keep: bool) -> int:
    """Run the rehearsal and return the exit code: 0 only when every step and every smoke test passed."""
    shutil.rmtree(FOLDER / "logs", ignore_errors=True)
    (FOLDER / "logs").mkdir()
    if not keep:
        REPORT_FILE.unlink(missing_ok=True)
    steps = Steps()
    code, reason = 0, ""
    print("rehearsal: the declared stack in an emulated AWS, on this machine only", flush=True)
    with working_folder() as work:
        stack = RehearsedStack(steps, folder=FOLDER, work=work)
        try:
            try:
                stack.start()
                if keep:
                    _show(stack)
                    stack.watch()
                stack.run_smoke_tests()
            finally:
                # Half an end would leave something running; there is nothing left to interrupt but the end.
                _ignore_interrupts()
                with steps.step("end of all that was started"):
                    CLIENT_FILE.unlink(missing_ok=True)
                    try:
                        stack.close()
                    finally:
                        end_children()
        except KeyboardInterrupt as interrupt:
            code = 0 if keep and stack.tracking_uri else INTERRUPTED
            reason = f"ended by {interrupt}" if interrupt.args else "ended"
        except DeploymentError as error:
            code, reason = error.exit_code, str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one sentence and a log
            (FOLDER / "logs" / "rehearsal.log").write_text(traceback.format_exc())
            code, reason = FAILED, f"{type(error).__name__}: {error}"
    report = Report(
        steps=steps.finished,
        smoke=stack.laptop.smoke if stack.laptop else Report().smoke,
        resources=stack.resources(),
        not_rehearsed=stack.not_rehearsed,
    )
    if code != INTERRUPTED and not keep:
        report.write(REPORT_FILE)
    _end(report, code, reason, keep=keep)
    return code


def _show(stack: RehearsedStack) -> None:
    address = stack.open_ui()
    environment = stack.laptop.environment if stack.laptop else {}
    shown = {k: v for k, v in environment.items() if k not in {"PATH", "HOME"}} | LOOPBACK_WITHOUT_PROXY
    CLIENT_FILE.write_text("".join(f"{k}={v}\n" for k, v in shown.items()))
    print(
        f"\n  UI       {address}\n"
        f"           (mlflow-team ui, logged in as {PERSON} of team {TEAM}: a browser alone has no login)\n"
        "           (of its pages, the assistant and the usage statistics are off on this server)\n"
        "  client   set -a; . .rehearsal/client.env; set +a; .venv/bin/python your_training.py\n"
        "  end      Ctrl-C\n",
        flush=True,
    )


def _end(report: Report, code: int, reason: str, *, keep: bool) -> None:
    if not keep or code:
        print(f"\n{report.table()}\n", flush=True)
    if code == 0 and not keep:
        print("  Not rehearsed:")
        print("\n".join(f"    - {line}" for line in report.not_rehearsed))
        print("\nrehearsal: passed. Next: make up, to look at it; make test")
    elif code == 0:
        print("\nrehearsal: ended, nothing is left running")
    elif code == INTERRUPTED:
        print(f"\nrehearsal: {reason}; nothing is left running", file=sys.stderr)
    else:
        print(f"rehearsal: FAILED. {reason}\n  logs: {FOLDER.name}/logs", file=sys.stderr)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep it running until Ctrl-C")
    arguments = parser.parse_args()
    forget_the_shell()
    try:
        with ending_in_order(), only_one():
            return rehearse(keep=arguments.keep)
    except BusyError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nrehearsal: ended", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
