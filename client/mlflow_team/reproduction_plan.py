"""What it takes to run a run again, and what stands against it."""

import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import data, diff, digest, environment, source_code, tags
from .arguments import MASK
from .data import INPUT, OUTPUT, Tracked
from .provenance import CUT
from .source_code import Checkout, GitError

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass
class Plan:
    """How to run it again.

    Attributes:
        run_id: the original.
        commit: what to check out.
        checkout: where the commit is.
        folder: working directory, below the checkout's root.
        command: what follows `python`.
        has_diff: there is one to apply.
        inputs: what must be there with the same digest.
        carried: inputs that lie in the checkout and not in git, so that the new one needs a copy of them.
        builds: an environment is made; else this Python has what the original had, or is told to do.
        python: what makes the environment.
        packages: what goes into it.
        obstacles: why it cannot be run again; none means that it can.
        doubts: why the results may differ.
    """

    run_id: str
    commit: str = ""
    checkout: Checkout | None = None
    folder: str = "."
    command: list[str] = field(default_factory=list)
    has_diff: bool = False
    inputs: list[Tracked] = field(default_factory=list)
    carried: list[Path] = field(default_factory=list)
    builds: bool = False
    python: str = sys.executable
    packages: str = ""
    obstacles: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the plan as a person reads it."""
        lines = [f"run {self.run_id}"]
        if self.commit and self.checkout:
            lines += [
                f"  commit   {self.commit} of {self.checkout.root}",
                f"  diff     {'applied from the run' if self.has_diff else 'none'}",
                f"  folder   {self.folder}",
                f"  command  python {' '.join(self.command)}",
                f"  packages {'a new environment' if self.builds else 'of ' + sys.executable}",
            ]
        lines += [f"  input    {each.name}  {each.data.uri}" for each in self.inputs if each.data]
        lines += [f"  copied   {path}" for path in self.carried]
        lines += [f"  doubt    {each}" for each in self.doubts]
        lines += [f"  CANNOT   {each}" for each in self.obstacles]
        return "\n".join(lines)


def of(run: "Run", repository: Path, packages: str | None, *, here: bool = False) -> Plan:
    """Read what a run has on record and hold it against what is here.

    Args:
        run: the original.
        repository: a folder in the checkout that should hold its commit.
        packages: what the run has on record of them.
        here: take this Python and its packages, whatever the original had.
    """
    plan = Plan(run.info.run_id)
    if not here:
        _plan_environment(plan, run.data.tags.get(tags.PYTHON, ""), packages)
    _plan_command(plan, run.data.tags)
    _plan_code(plan, run.data.tags, repository)
    _plan_data(plan, data.of(run))
    if run.info.status != "FINISHED":
        plan.doubts.append(f"it is {run.info.status}, not FINISHED: its metrics may be those of a part")
    if not run.data.metrics:
        plan.doubts.append("it has no metrics: nothing will be compared")
    if (then := run.data.tags.get(tags.ACCELERATOR, "")) != (now := environment.accelerators()):
        plan.doubts.append(f"it ran on {then or 'no accelerator'}, here is {now or 'none'}")
    return plan


def _plan_environment(plan: Plan, version: str, packages: str | None) -> None:
    if packages is None:
        plan.obstacles.append("its packages are not on record: --here takes those of this Python")
        return
    same_python = version == platform.python_version()
    plan.packages = packages
    plan.builds = not same_python or packages != environment.requirements()
    if not plan.builds:
        _doubt_folders(plan)
        return
    found = shutil.which(f"python{version.rpartition('.')[0]}")
    plan.python = sys.executable if same_python or not found else found
    if not same_python and not found:
        plan.doubts.append(f"it ran on Python {version}, here is {platform.python_version()}")
    _doubt_folders(plan)


def _doubt_folders(plan: Plan) -> None:
    """Say which packages are not what the commit has: an editable one is the code of today."""
    plan.doubts += [
        f"a package {line.removeprefix('# ')}"
        for line in plan.packages.splitlines()
        if line.startswith("# from a folder") and "mlflow-team==" not in line
    ]


def _plan_command(plan: Plan, known: dict[str, str]) -> None:
    if tags.COMMAND not in known:
        plan.obstacles.append("its command is not on record: it ran without mlflow_team")
        return
    plan.command = json.loads(known[tags.COMMAND])
    if tags.NOTEBOOK in known:
        plan.obstacles.append(f"it ran in a notebook, {known[tags.NOTEBOOK]}: whose cells ran, nobody knows")
    elif plan.command[:1] == ["-c"]:
        plan.obstacles.append("it ran as python -c, of which nothing is kept")
    elif plan.command[-1:] == [CUT]:
        plan.obstacles.append("it had more arguments than a tag can hold")
    elif hidden := _masked(plan.command):
        plan.obstacles.append(
            f"arguments were masked, {' '.join(hidden)}: give secrets by the environment, not as arguments"
        )


def _masked(command: list[str]) -> list[str]:
    """Return what is hidden, each with the option before it, which says what it was."""
    return [
        f"{before} {word}" if before.startswith("-") and word == MASK else word
        for before, word in zip(["", *command], command, strict=False)
        if MASK in word
    ]


def _plan_script(plan: Plan, root: Path) -> None:
    """Name the new checkout's script: an absolute path would run what lies in this one today."""
    for number, word in enumerate(plan.command):
        path = Path(word)
        if word in ("-m", "-c"):
            return
        if word.startswith("-") or path.suffix != ".py":
            continue
        where = Path(os.path.normpath(root / plan.folder / path))
        if not where.is_relative_to(root):
            plan.obstacles.append(f"its script {word} lies outside {root}: the commit does not have it")
        elif path.is_absolute():
            plan.command[number] = os.path.relpath(where, root / plan.folder)
        return


def _plan_code(plan: Plan, known: dict[str, str], repository: Path) -> None:
    plan.folder = known.get(tags.WORKING_DIRECTORY, ".")
    plan.commit = known.get("mlflow.source.git.commit", "")
    if not plan.commit:
        plan.obstacles.append("no commit is on record: it ran outside git")
        return
    try:
        plan.checkout = Checkout.around(repository)
    except GitError as error:
        plan.obstacles.append(f"{repository} is no checkout ({error}): --repository PATH names one")
        return
    try:
        source_code.git(plan.checkout.root, "cat-file", "-e", f"{plan.commit}^{{commit}}")
    except GitError:
        wanted = known.get("mlflow.source.git.repoURL", "")
        plan.obstacles.append(
            f"commit {plan.commit} is not in {plan.checkout.root}: git fetch{' ' + wanted if wanted else ''}"
        )
    if Path(plan.folder).is_absolute():
        plan.obstacles.append(f"it ran in {plan.folder}, outside its checkout")
    else:
        _plan_script(plan, plan.checkout.root)
    if (plan.checkout.root / ".gitmodules").exists():
        plan.doubts.append("submodules are not checked out")
    told = known.get(tags.GIT_DIFF, "")
    plan.has_diff = told == diff.STORED
    if told.startswith("withheld"):
        plan.obstacles.append(f"what was not committed is not on record: {told}")
    elif not told and known.get(tags.GIT_DIRTY) == "true":
        plan.obstacles.append("it ran with changes that were not committed, and they are not on record")


def _plan_data(plan: Plan, tracked: list[Tracked]) -> None:
    for each in tracked:
        if each.context == OUTPUT and each.data and each.data.uri.startswith("s3://"):
            plan.doubts.append(f"it will write {each.data.uri} again")
        if each.context != INPUT:
            continue
        if each.data is None:
            plan.doubts.append(f"input {each.name} was logged without an address: it is not checked")
            continue
        plan.inputs.append(each)
        _check_input(plan, each.name, each.data)


def _check_input(plan: Plan, name: str, then: digest.Data) -> None:
    try:
        now = digest.read(then.uri)
    except Exception as error:  # noqa: BLE001 - whatever S3 or the disk says, it is not there
        plan.obstacles.append(f"input {name} cannot be read: {error}")
        return
    if now.sha256 != then.sha256:
        version = f"; version {then.version} was used" if then.version else ""
        plan.obstacles.append(
            f"input {name} has changed: sha256 of {then.uri} is {now.sha256[:12]}…,"
            f" was {then.sha256[:12]}…{version}"
        )
    elif plan.checkout and _only_here(plan.checkout, then.uri):
        plan.carried.append(Path(then.uri))


def _only_here(checkout: Checkout, address: str) -> bool:
    """Tell whether a path lies in the checkout, and git does not bring it."""
    path = Path(address)
    if not path.is_absolute() or not path.is_relative_to(checkout.root):
        return False
    return not source_code.git(checkout.root, "ls-files", "--", os.fspath(path))
