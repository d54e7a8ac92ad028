import os
import shutil
import subprocess
from pathlib import Path

import pytest

from image import SERVER
from image_content import content_tag, git_labels, public_url, sent_files

IGNORE = """\
# a comment
*
!requirements.lock

!tracking_server
**/__pycache__
**/*.pyc
tracking_server/tests
"""
FILES = {
    ".dockerignore": IGNORE,
    "Dockerfile": "FROM scratch\n",
    "requirements.lock": "mlflow==1\n",
    "tracking_server/__main__.py": "print(1)\n",
    "tracking_server/health.py": "print(2)\n",
    "tracking_server/__pycache__/health.pyc": "compiled",
    "tracking_server/tests/test_health.py": "assert True\n",
    "notes.txt": "mine",
}
SENT = ["Dockerfile", "requirements.lock", "tracking_server/__main__.py", "tracking_server/health.py"]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "server" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "server"


def tag(context: Path, *, platform: str = "linux/amd64", **arguments: str) -> str:
    return content_tag(context, platform=platform, arguments=arguments)


def test_what_the_ignore_file_leaves_is_sent(context: Path) -> None:
    assert sent_files(context) == SENT
    (context / ".dockerignore").unlink()
    assert sent_files(context) == sorted(set(FILES) - {".dockerignore"})


def test_checkout_elsewhere_with_other_modes_and_times_is_the_same_tag(context: Path, tmp_path: Path) -> None:
    before = tag(context)
    elsewhere = shutil.copytree(context, tmp_path / "elsewhere" / "deeper")
    for file in (path for path in elsewhere.rglob("*") if path.is_file()):
        file.chmod(0o600)
        os.utime(file, (1, 1))
    assert tag(elsewhere) == before


@pytest.mark.parametrize(
    "name",
    [
        "tracking_server/__pycache__/other.pyc",
        "tracking_server/tests/test_other.py",
        "notes.txt",
        ".idea/workspace.xml",
    ],
)
def test_what_is_not_sent_is_the_same_tag(context: Path, name: str) -> None:
    before = tag(context)
    (context / name).parent.mkdir(exist_ok=True)
    (context / name).write_text("changed")
    assert tag(context) == before


def test_another_byte_is_another_tag(context: Path) -> None:
    before = tag(context)
    (context / "tracking_server/health.py").write_text("print(3)\n")
    assert tag(context) != before


def test_another_executable_bit_is_another_tag(context: Path) -> None:
    before = tag(context)
    (context / "tracking_server/health.py").chmod(0o755)
    assert tag(context) != before


def test_another_name_is_another_tag(context: Path) -> None:
    before = tag(context)
    (context / "tracking_server/health.py").rename(context / "tracking_server/healthy.py")
    assert tag(context) != before


def test_link_is_another_tag_than_what_it_points_to(context: Path) -> None:
    before = tag(context)
    (context / "tracking_server/health.py").unlink()
    (context / "tracking_server/health.py").symlink_to("__main__.py")
    to_main = tag(context)
    (context / "tracking_server/health.py").unlink()
    (context / "tracking_server/health.py").symlink_to("nowhere.py")
    assert len({before, to_main, tag(context)}) == 3


def test_bytes_that_move_between_files_are_another_tag(context: Path) -> None:
    before = tag(context)
    (context / "tracking_server/__main__.py").write_text("print(2)\n")
    (context / "tracking_server/health.py").write_text("print(1)\n")
    assert tag(context) != before


def test_platform_and_each_argument_are_other_tags(context: Path) -> None:
    tags = {
        tag(context),
        tag(context, platform="linux/arm64"),
        tag(context, BASE="python:3.12"),
        tag(context, BASE="python:3.13"),
        tag(context, OTHER="python:3.12"),
    }
    assert len(tags) == 5


def test_tests_caches_and_editors_files_stay_out_of_the_servers_image() -> None:
    sent = sent_files(SERVER)
    assert {"Dockerfile", "requirements.lock", "tracking_server/__main__.py"} <= set(sent)
    assert [name for name in sent if "tests" in name or "__pycache__" in name or name.endswith(".pyc")] == []
    here = [path.relative_to(SERVER).as_posix() for path in (SERVER / "tracking_server").rglob("*.py")]
    assert [name for name in here if "/tests/" not in name and name not in sent] == []


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(context: Path) -> Path:
    """Return the folder above the context, as a git repository with everything committed."""
    git(context.parent, "init", "--quiet")
    git(context.parent, "add", "--all")
    git(context.parent, "commit", "--quiet", "--message", "first")
    return context.parent


@pytest.mark.rehearsal
def test_labels_say_the_commit_and_where_it_came_from(context: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert git_labels(context) == {"org.opencontainers.image.revision": commit}
    git(repository, "remote", "add", "origin", "https://me:token@git.example.com/team/mlflow.git")
    assert git_labels(context) == {
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.source": "https://git.example.com/team/mlflow.git",
    }


@pytest.mark.rehearsal
def test_labels_say_when_the_context_is_changed_and_only_then(context: Path, repository: Path) -> None:
    (repository / "elsewhere").write_text("changed")
    assert not git_labels(context)["org.opencontainers.image.revision"].endswith("-dirty")
    (context / "tracking_server/new.py").write_text("print(4)\n")
    assert git_labels(context)["org.opencontainers.image.revision"].endswith("-dirty")


@pytest.mark.rehearsal
def test_labels_stay_empty_without_repository_and_without_git(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(context.parent))
    assert git_labels(context) == {}
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git_labels(context) == {}


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/team/mlflow.git", "https://github.com/team/mlflow.git"),
        ("https://token@github.com/team/mlflow", "https://github.com/team/mlflow"),
        ("https://me:p@ss@git.example.com:8443/mlflow?token=x#y", "https://git.example.com:8443/mlflow"),
        ("http://git.example.com/mlflow", "http://git.example.com/mlflow"),
        ("git@github.com:team/mlflow.git", ""),
        ("ssh://git@github.com/team/mlflow.git", ""),
        ("/srv/git/mlflow", ""),
        ("", ""),
    ],
)
def test_source_is_a_public_address_without_credentials(remote: str, url: str) -> None:
    assert public_url(remote) == url
