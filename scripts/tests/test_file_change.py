import os
from pathlib import Path

import pytest

from file_change import FileChange, read_text


def change(path: Path, after: str, foreign: str = "") -> FileChange:
    return FileChange(path=path, before=read_text(path), after=after, foreign=foreign)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("old\n")
    return path


def test_permissions_are_kept(file: Path) -> None:
    file.chmod(0o640)
    change(file, "new\n", foreign="old\n").apply()
    assert file.read_text() == "new\n"
    assert file.stat().st_mode & 0o777 == 0o640


def test_new_file_and_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / ".aws" / "config"
    change(path, "new\n").apply()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    change(link, "new\n").apply()
    assert link.is_symlink()
    assert file.read_text() == "new\n"


def test_foreign_text_is_copied_first(file: Path) -> None:
    wanted = change(file, "new\n", foreign="old\n")
    wanted.apply()
    assert wanted.backup
    assert wanted.backup.read_text() == "old\n"


def test_own_text_is_not_copied(file: Path) -> None:
    change(file, "new\n").apply()
    assert [each.name for each in file.parent.iterdir()] == ["config"]


def test_file_that_would_be_empty_goes_away(file: Path) -> None:
    change(file, "").apply()
    assert not file.exists()


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_interruption_leaves_the_old_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[moment], interrupt)
    with pytest.raises(KeyboardInterrupt):
        change(file, "new\n").apply()
    assert file.read_text() == "old\n"
    assert [each.name for each in file.parent.iterdir()] == ["config"]


def test_diff_shows_the_change_and_a_missing_line_break(file: Path) -> None:
    file.write_text("old")
    lines = change(file, "new\n").diff().splitlines()
    assert lines[2:] == ["@@ -1 +1 @@", "-old", "\\ no line break at the end of the file", "+new"]


def test_folder_in_its_place_is_a_fault(tmp_path: Path) -> None:
    wanted = FileChange(path=tmp_path, before="", after="new\n", foreign="")
    assert wanted.fault() == f"{tmp_path} is not a file"


def test_file_in_the_way_is_a_fault(file: Path) -> None:
    wanted = FileChange(path=file / "deeper", before="", after="new\n", foreign="")
    assert wanted.fault() == f"{file / 'deeper'} cannot be written: {file} is not a folder"


@pytest.mark.parametrize(
    ("closed", "said"), [("folder", "no right to write in"), ("file", "it is read-only")]
)
def test_missing_rights_are_a_fault(
    file: Path, monkeypatch: pytest.MonkeyPatch, closed: str, said: str
) -> None:
    # Not by permissions: root, who may run the tests, has none missing.
    forbidden = file.parent if closed == "folder" else file
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != forbidden)
    assert said in str(change(file, "new\n").fault())
