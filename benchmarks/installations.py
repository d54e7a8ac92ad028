"""Environments as each is deployed, and their sizes: the image's packages, and `pip install mlflow`."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".bench"
UV = Path(sys.prefix) / "bin" / "uv"
# uvicorn serves by these wherever they are installed, so that stock at its defaults must be without.
LOOP = ("uvloop", "httptools")
MEGABYTE = 1e6
# What the image's build does to the packages once they are installed.
CLEARING = re.compile(r"find /opt/venv/lib.+?\{\} \+", re.DOTALL)


def installed() -> dict[str, Path]:
    """Install what is not there yet, and return each environment's Python."""
    ours = ("--require-hashes", "--no-deps", "-r", str(ROOT / "server" / "requirements.lock"))
    constraints = ("-c", str(ROOT / "requirements.lock"))
    stock = (*constraints, "mlflow", "psycopg2-binary", "boto3")
    return {
        "ours": _environment("ours", ours, CLEARING.findall((ROOT / "server" / "Dockerfile").read_text())),
        "stock_default": _environment("stock_default", stock),
        "stock_tuned": _environment("stock_tuned", (*stock, *LOOP)),
    }


def megabytes(python: Path) -> float:
    """Return the size of an environment's packages, with the byte code that is deployed with them."""
    files = (path for path in (python.parent.parent / "lib").rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / MEGABYTE


def _environment(name: str, requirements: tuple[str, ...], clearing: Sequence[str] = ()) -> Path:
    python = FOLDER / name / "bin" / "python"
    done = FOLDER / name / ".installed"
    lock = (ROOT / "server" / "requirements.lock").read_text()
    wanted = "\n".join([" ".join(requirements), *clearing, lock])
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {name}", flush=True)
        subprocess.run(
            [UV, "venv", "--quiet", "--clear", "--python", sys.executable, python.parent.parent], check=True
        )
        _install(python, requirements)
        for command in clearing:
            own = command.replace("/opt/venv", str(python.parent.parent))
            subprocess.run(["/bin/sh", "-c", own], check=True)
        # The image's byte code is made when it is built; so is stock's here.
        subprocess.run(
            [python, "-m", "compileall", "-q", "-j", "0", python.parent.parent / "lib"], check=False
        )
        done.write_text(wanted)
    return python


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    # Copies, not uv's links into its cache: what the image's build compresses must have no other name.
    command = [UV, "pip", "install", "--quiet", "--link-mode", "copy", "--python", python, *requirements]
    subprocess.run(command, check=True)
