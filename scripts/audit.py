"""Asks PyPI for known vulnerabilities of every locked package; what nobody could tell about fails as well."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bad_input import BadInputError

PROJECT = Path(__file__).parent.parent
LOCKS = (
    "server/requirements.lock",
    "requirements.lock",
    "rehearsal/emulator.lock",
    "requirements-installer.lock",
)
CLEAN, FAULTY, BAD_INPUT = 0, 1, 2
# pip-audit's own: none found, or some.
ANSWERS = (0, 1)

# A package's name and version, and the locks that hold it.
Locked = Mapping[tuple[str, str], list[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit, say each fault on one line, and return 0 for none, 1 for some, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="audit.py", description=__doc__)
    parser.add_argument("locks", nargs="*", metavar="LOCK", help=f"(default: {', '.join(LOCKS)})")
    locks = parser.parse_args(arguments).locks
    try:
        locked = read([Path(lock) for lock in locks] or [PROJECT / lock for lock in LOCKS])
    except BadInputError as error:
        return _say([f"nothing was audited:\n{error}"], BAD_INPUT)
    faults = [fault for some in _one_version_each(locked) for fault in audit(some)]
    if faults:
        return _say(sorted(faults), FAULTY)
    print(f"audit: no known vulnerability in {len(locked)} packages")
    return CLEAN


def read(locks: Sequence[Path]) -> Locked:
    """Return every package of the locks, those for other Pythons and systems too.

    Raises:
        BadInputError: a file cannot be read, holds no package, or names one without its version.
    """
    locked: dict[tuple[str, str], list[str]] = {}
    faults = []
    for lock in locks:
        try:
            lines = re.sub(r"\\\n\s*--hash=\S+", "", lock.read_text(encoding="utf-8")).splitlines()
        except OSError as error:
            faults.append(f"{lock}: {error.strerror}")
            continue
        packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not packages:
            faults.append(f"{lock}: received no package; make lock writes this file")
        for line in packages:
            if (package := _package(line)) is None:
                faults.append(f"{lock}: received {line!r}, allowed is name==version; make lock mends it")
            else:
                locked.setdefault(package, []).append(os.path.relpath(lock, PROJECT))
    if faults:
        raise BadInputError(faults)
    return locked


def _package(line: str) -> tuple[str, str] | None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    version = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
    return (canonicalize_name(requirement.name), version[1]) if version else None


def _one_version_each(locked: Locked) -> Iterator[Locked]:
    """Split into parts in which no package has two versions: pip-audit would read one of them only."""
    rest = dict(locked)
    while rest:
        part = {
            package: rest.pop(package)
            for package in {name: (name, version) for name, version in rest}.values()
        }
        yield part


def audit(locked: Locked) -> list[str]:
    """Return what is wrong with packages of one version each, a line for each fault."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        # Without their markers, so that none is left out for being another Python's or system's.
        requirements.writelines(f"{name}=={version}\n" for name, version in locked)
        requirements.flush()
        done = subprocess.run(
            [
                sys.executable, "-m", "pip_audit", "--requirement", requirements.name, "--no-deps",
                "--disable-pip", "--format=json", "--progress-spinner=off",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    try:
        report = json.loads(done.stdout) if done.returncode in ANSWERS else None
    except ValueError:
        report = None
    if report is None:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return [f"{len(locked)} packages were not audited: {reason}"]
    return faults_in(report, locked)


def faults_in(report: Mapping[str, Any], locked: Locked) -> list[str]:
    """Return a line for each vulnerability in pip-audit's report, and for each package it passed over."""
    answers = {str(canonicalize_name(answer["name"])): answer for answer in report["dependencies"]}
    faults = []
    for (name, version), locks in locked.items():
        package = f"{name} {version} ({', '.join(locks)})"
        answer = answers.get(name, {"skip_reason": "pip-audit says nothing about it"})
        if answer.get("version") != version:
            faults.append(f"{package} was not audited: {answer.get('skip_reason', 'another version was')}")
        for found in answer.get("vulns", []):
            fixed = ", ".join(found["fix_versions"]) or "no release yet"
            about = " ".join(found["description"].split())
            faults.append(f"{package} has {found['id']}, fixed in {fixed}: {about}")
    return faults


def _say(faults: Sequence[str], code: int) -> int:
    for fault in faults:
        print(f"audit: {fault}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
