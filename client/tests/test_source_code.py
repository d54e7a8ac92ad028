"""A commit and the diff give the working tree back; git's own settings and a person's do not matter."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlflow_team import diff, source_code
from mlflow_team.diff import WithheldError
from mlflow_team.source_code import Checkout, GitError


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e@example.com", *words],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a project"
    (root / "src").mkdir(parents=True)
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    (root / "src" / "train.py").write_text("a\nb\n")
    (root / "picture.bin").write_bytes(bytes(range(256)))
    (root / ".gitignore").write_text("ignored\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    git(root, "remote", "add", "origin", "https://me:secret@git.example.com/team/project.git")
    return root


def change(root: Path) -> None:
    (root / "src" / "train.py").write_text("a\nb\nB\r\n")
    (root / "picture.bin").write_bytes(bytes(range(255, -1, -1)))
    (root / "nёw file.txt").write_text("new, without an end of line")
    (root / "new.bin").write_bytes(b"\0\1\2" * 100)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "ignored").write_text("x")
    (root / "empty").touch()
    (root / ":(top)*").write_text("x\n")
    (root / "-").write_text("x\n")
    (root / "link").symlink_to("src")
    git(root, "rm", "-q", "--cached", ".gitignore")
    git(root, "add", "new.bin")


def test_checkout_is_told_without_the_login_to_its_remote(checkout: Path) -> None:
    found = Checkout.around(checkout / "src")
    assert found.root.samefile(checkout)
    assert found.commit == git(checkout, "rev-parse", "HEAD").strip()
    assert (found.branch, found.dirty) == ("main", False)
    assert found.repository == "https://git.example.com/team/project.git"


def test_no_branch_is_no_name(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert Checkout.around(checkout).branch == ""


@pytest.mark.parametrize("what", ["a changed file", "a new file"])
def test_dirty_is_told(checkout: Path, what: str) -> None:
    (checkout / ("src/train.py" if what == "a changed file" else "new.txt")).write_text("x")
    assert Checkout.around(checkout).dirty


def test_folder_outside_git_and_one_without_a_commit_are_none(tmp_path: Path) -> None:
    with pytest.raises(GitError):
        Checkout.around(tmp_path)
    git(tmp_path, "init", "-q", ".")
    with pytest.raises(GitError):
        Checkout.around(tmp_path)


def test_git_dir_of_a_hook_names_no_other_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "gone"))
    assert Checkout.around(checkout).branch == "main"


def test_missing_git_is_a_git_error(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GitError):
        Checkout.around(checkout)


def test_commit_and_diff_give_the_working_tree_back(checkout: Path, tmp_path: Path) -> None:
    for name, value in (
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("diff.external", "false"),
        ("diff.context", "0"),
        ("diff.relative", "true"),
        ("diff.submodule", "log"),
    ):
        git(checkout, "config", name, value)
    (checkout / "long.txt").write_text("line\n" * 9)
    git(checkout, "add", "long.txt")
    git(checkout, "commit", "-qm", "a place that its surroundings alone tell")
    change(checkout)
    (checkout / "long.txt").write_text("line\n" * 4 + "changed\n" + "line\n" * 4)
    patch = tmp_path / "diff.patch"
    patch.write_bytes(diff.read(checkout))
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(checkout), str(again))
    git(again, "apply", str(patch))
    files = {path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file()}
    for name in files - {Path("ignored")}:
        if ".git" not in name.parts:
            assert (again / name).read_bytes() == (checkout / name).read_bytes(), name
    assert os.access(again / "run.sh", os.X_OK)
    assert not (again / "ignored").exists()


def test_reading_leaves_the_index_as_it_is_and_runs_no_hook(checkout: Path) -> None:
    hook = checkout / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch '{checkout}/ran'\n")
    hook.chmod(0o755)
    (checkout / "new.txt").write_text("x")
    before = (checkout / ".git" / "index").read_bytes()
    diff.read(checkout)
    assert (checkout / ".git" / "index").read_bytes() == before
    assert not (checkout / "ran").exists()


def test_checkout_inside_withholds_the_diff_if_no_patch_can_hold_it(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(checkout), str(checkout / "inner"))
    with pytest.raises(WithheldError, match="'inner/'"):
        diff.read(checkout)
    git(checkout, "-c", "advice.addEmbeddedRepo=false", "add", "inner")
    git(checkout, "commit", "-qm", "a submodule")
    assert diff.read(checkout) == b""
    (checkout / "inner" / "src" / "train.py").write_text("x")
    with pytest.raises(WithheldError, match="'inner'"):
        diff.read(checkout)


def test_secret_in_a_line_that_looks_like_a_header_is_found(checkout: Path) -> None:
    (checkout / "new.sql").write_text("++ AKIAIOSFODNN7EXAMPLQ\n")
    with pytest.raises(WithheldError, match=r"new\.sql"):
        diff.check(diff.read(checkout))


@pytest.mark.parametrize(
    ("name", "secret"), [("x.svg", "AKIAIOSFODNN7EXAMPLQ"), ("a.py", "hf_abcdefghijklmnopqrstuvwxyz")]
)
def test_key_is_found_where_detect_secrets_does_not_look(checkout: Path, name: str, secret: str) -> None:
    (checkout / name).write_text(f"x = {secret}\n")
    with pytest.raises(WithheldError, match=name):
        diff.check(diff.read(checkout))


def test_large_changed_file_is_not_compared(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "LARGEST_CHANGED_BYTES", 3)
    (checkout / "src" / "train.py").write_text("long")
    with pytest.raises(WithheldError, match="commit first"):
        diff.read(checkout)


def test_clean_tree_has_an_empty_diff(checkout: Path) -> None:
    assert diff.read(checkout) == b""


def test_too_much_is_withheld(checkout: Path) -> None:
    (checkout / "data.csv").write_text("x" * (diff.LARGEST_BYTES + 1))
    with pytest.raises(WithheldError, match="1048577 bytes"):
        diff.read(checkout)
    (checkout / "data.csv").unlink()
    (checkout / "src" / "train.py").write_text("y" * (diff.LARGEST_BYTES + 1))
    with pytest.raises(WithheldError, match="commit first"):
        diff.read(checkout)


@pytest.mark.parametrize(
    "line",
    [
        "aws_key = 'AKIAIOSFODNN7EXAMPLQ'",
        "password = 'correct-horse-battery'",
        "-----BEGIN RSA PRIVATE KEY-----",
        "url = 'https://me:hunter2hunter@example.com'",
    ],
)
@pytest.mark.parametrize("how", ["added", "removed", "in a new file"])
def test_secret_withholds_the_diff_and_is_not_named(checkout: Path, line: str, how: str) -> None:
    place = checkout / ("new.py" if how == "in a new file" else "src/train.py")
    place.write_text(f"a\n{line}\n")
    if how == "removed":
        git(checkout, "commit", "-qam", "second")
        place.write_text("a\n")
    with pytest.raises(WithheldError) as error:
        diff.check(diff.read(checkout))
    assert place.name in str(error.value)
    assert line.split("'")[-2 if "'" in line else 0] not in str(error.value)


def test_code_is_no_secret(checkout: Path) -> None:
    change(checkout)
    (checkout / "src" / "train.py").write_text("def token_count(text): return len(text.split())\nSEED = 7\n")
    diff.check(diff.read(checkout))


def test_new_files_are_told_relative_to_the_root(checkout: Path) -> None:
    change(checkout)
    assert set(source_code.new_files(checkout)) == {
        "nёw file.txt",
        "run.sh",
        "empty",
        ":(top)*",
        "-",
        "link",
        ".gitignore",
    }


@pytest.mark.parametrize("how", ["new", "changed"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8"])
def test_key_in_a_binary_file_is_found(checkout: Path, encoding: str, how: str) -> None:
    file = checkout / "settings.bin"
    plain = ("zeros: \0" + "0" * 300).encode(encoding)
    if how == "changed":
        file.write_bytes(plain)
        for words in (["add", "."], ["commit", "-q", "-m", "second"]):
            source_code.git(checkout, "-c", "user.name=n", "-c", "user.email=e@example.com", *words)
    file.write_bytes(plain)
    diff.check(diff.read(checkout))
    file.write_bytes(plain + "\nkey = AKIAIOSFODNN7EXAMPLE\n".encode(encoding.removesuffix("-le")))
    with pytest.raises(diff.WithheldError, match=r"settings\.bin"):
        diff.check(diff.read(checkout))


def test_secret_in_a_cell_of_a_notebook_is_found(checkout: Path) -> None:
    cell = {"cells": [{"cell_type": "code", "source": ['password = "hunter2hunter2"\n', "print(1)"]}]}
    (checkout / "work.ipynb").write_text(json.dumps(cell, indent=1))
    with pytest.raises(diff.WithheldError, match=r"work\.ipynb"):
        diff.check(diff.read(checkout))
