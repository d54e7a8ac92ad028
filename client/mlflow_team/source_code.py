"""What git knows of a script: commit, branch, repository, and what was not committed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 10.0
# Nothing of a person's configuration may change what is read, run a program, or ask a question.
QUIET = (
    "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-c", "core.pager=cat",
    "-c", "color.ui=false", "-c", f"core.hooksPath={os.devnull}", "--literal-pathspecs",
)  # fmt: skip


class GitError(RuntimeError):
    """Git said no, or there is none."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A working tree.

    Attributes:
        root: its uppermost folder.
        commit: what is checked out.
        branch: its name; empty when there is none.
        repository: address of the remote named origin, without user and password; empty without one.
        dirty: something is changed, or new and not ignored.
    """

    root: Path
    commit: str
    branch: str
    repository: str
    dirty: bool

    @classmethod
    def around(cls, folder: Path) -> "Checkout":
        """Return the checkout that the folder lies in.

        Raises:
            GitError: it lies in none, nothing was committed yet, or git is missing.
        """
        root, _, commit = git(folder, "rev-parse", "--show-toplevel", "HEAD").strip("\n").rpartition("\n")
        branch = git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
        try:
            repository = without_login(git(folder, "remote", "get-url", "origin").strip())
        except GitError:
            repository = ""
        changes = git(
            Path(root), "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none"
        )
        return cls(
            root=Path(root),
            commit=commit,
            branch="" if branch == "HEAD" else branch,
            repository=repository,
            dirty=bool(changes),
        )


def git(folder: Path, *arguments: str, seconds: float = GIT_SECONDS) -> str:
    """Return what git prints.

    Raises:
        GitError: it failed, is missing, or took longer than that.
    """
    return git_bytes(folder, *arguments, seconds=seconds).decode(errors="surrogateescape")


def git_bytes(
    folder: Path,
    *arguments: str,
    index: Path | None = None,
    told: bytes = b"",
    seconds: float = GIT_SECONDS,
) -> bytes:
    """Return what git prints, as it is; with another index than the checkout's, and told something on stdin.

    Raises:
        GitError: it failed, is missing, or took longer than that.
    """
    # A hook's or another checkout's GIT_DIR would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *QUIET, *arguments],
            env=environment, input=told, capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git {arguments[0]}: {type(error).__name__}") from None
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def without_login(address: str) -> str:
    """Return an address without the user and password that it may hold."""
    scheme, separator, rest = address.partition("://")
    login, at, host = rest.split("/", 1)[0].rpartition("@")
    if not (separator and at):
        return address
    kept = f"{login.partition(':')[0]}@" if "ssh" in scheme else ""  # there the user is no secret, and needed
    return f"{scheme}://{kept}{host}{rest[len(login) + len(at) + len(host) :]}"


def new_files(root: Path) -> list[str]:
    """Return the files that are new and not ignored, relative to the root; a checkout's name ends with /.

    Raises:
        GitError: git failed.
    """
    listed = git_bytes(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    return [os.fsdecode(name) for name in listed if name]


def changed_files(root: Path) -> list[str]:
    """Return the files that are not as in the commit, relative to the root.

    Raises:
        GitError: git failed.
    """
    listed = git_bytes(root, "diff", "--name-only", "--no-relative", "--no-renames", "-z", "HEAD", "--")
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def changed_submodules(root: Path) -> list[str]:
    """Return the submodules that hold what is not committed in them.

    Raises:
        GitError: git failed.
    """
    told = git_bytes(root, "status", "--porcelain=2", "-z", "--no-renames", "--ignore-submodules=none")
    fields = [line.split(b" ", 8) for line in told.split(b"\0") if line.startswith(b"1 ")]
    return [os.fsdecode(each[8]) for each in fields if each[2][:1] == b"S" and each[2][2:] != b".."]


def diff(root: Path, new: Sequence[str]) -> bytes:
    """Return what turns the commit into the working tree with its new files.

    Raises:
        GitError: git failed.
    """
    # Each of these a person's configuration could turn into something that `git apply` refuses.
    options = (
        "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative",
        "--submodule=short", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/",
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="mlflow-team-") as folder:
        # New files are announced in a copy of the index: one process for all, names of any kind.
        index = Path(folder) / "index"
        own = root / git(root, "rev-parse", "--git-path", "index").removesuffix("\n")
        if own.exists():
            shutil.copyfile(own, index)
        if new:
            names = b"\0".join(map(os.fsencode, new))
            announced = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
            git_bytes(root, *announced, index=index, told=names)
        return git_bytes(root, "diff", *options, "HEAD", "--", index=index)
