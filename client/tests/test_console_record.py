import re
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlflow_team.console import record
from mlflow_team.console.record import Record, join


def text(folder: Path, lines: int | None = None) -> str:
    """Return what would be uploaded now."""
    join(folder, folder.parent / "joined.txt", lines)
    return (folder.parent / "joined.txt").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "console"


def test_each_line_is_on_disk_before_the_script_goes_on(folder: Path) -> None:
    kept = Record(folder)
    kept.write("stdout", "one\ntw")
    assert text(folder) == "one\ntw\n"
    kept.write("stdout", "o\n")
    kept.write("stderr", "\r 1%")
    kept.write("stdout", "three\n")
    assert text(folder) == "one\ntwo\nthree\n 1%\n"


def test_progress_bar_is_on_disk_as_it_was_a_second_ago(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Record(folder)
    kept.write("stderr", "\r  1% and more")
    kept.write("stderr", "\r  2%")
    assert text(folder) == "  1% and more\n"
    monkeypatch.setattr(record, "SHOWN_EVERY_SECONDS", 0.0)
    kept.write("stderr", "\r  3%")
    assert text(folder) == "  3%\n"
    kept.close()
    assert text(folder) == "  3%\n"


def test_secret_that_comes_in_pieces_is_masked(folder: Path) -> None:
    kept = Record(folder)
    for piece in ("token=", "abc", "def", "\n", "AKIA", "ABCDEFGHIJKLMNOP"):
        kept.write("stdout", piece)
    kept.close()
    assert text(folder) == "token=***\n***\n"


def test_beginning_and_end_are_kept_and_the_gap_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PIECE_BYTES", 1000)
    kept = Record(folder)
    for number in range(10_000):
        kept.write("stdout", f"line {number}\n")
        assert sum(path.stat().st_size for path in folder.iterdir()) < 6 * 1000
    kept.write("stderr", "Traceback\n")
    kept.close()
    first, gap, last = re.split(r"\[mlflow-team: ([\d,]+) lines left out\]\n", text(folder, kept.lines))
    lines = first.splitlines() + last.splitlines()
    assert lines[0] == "line 0"
    assert lines[-1] == "Traceback"
    assert len(last) > 2 * 1000
    assert len(lines) + int(gap.replace(",", "")) == 10_001


def test_one_text_of_many_lines_is_bounded_like_many_texts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PIECE_BYTES", 1000)
    kept = Record(folder)
    kept.write("stdout", "".join(f"line {number}\n" for number in range(10_000)))
    kept.close()
    assert len(text(folder)) < 6 * 1000
    assert text(folder).endswith("line 9999\n")


@contextmanager
def full_disk(bytes_a_file: int) -> Iterator[None]:
    """Let no file grow beyond a number of bytes: the kernel cuts the write, and refuses the next."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_lines_out_and_says_so(folder: Path) -> None:
    kept = Record(folder)
    kept.write("stdout", "one\n")
    with full_disk(6):
        kept.write("stdout", "two\n")
    with full_disk(0):
        for _ in range(100):
            kept.write("stdout", "three\n")
    kept.write("stdout", "four\n")
    assert text(folder) == "one\n[mlflow-team: 101 lines left out]\nfour\n"
    assert (
        text(folder, 105) == "one\n[mlflow-team: 101 lines left out]\nfour\n[mlflow-team: 2 lines left out]\n"
    )


def test_threads_lines_stay_whole(folder: Path) -> None:
    kept = Record(folder)

    def printing(name: str) -> None:
        for _ in range(200):
            for piece in (name, " ", name, "\n"):
                kept.write("stdout", piece)

    threads = [threading.Thread(target=printing, args=(name * 20,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text(folder).splitlines()) == sorted(
        f"{n * 20} {n * 20}" for n in "abcd" for _ in range(200)
    )
    assert not kept._streams


def test_text_that_is_no_utf_8_is_kept(folder: Path) -> None:
    kept = Record(folder)
    kept.write("stdout", "caf\udce9 ☕\n")
    assert text(folder) == "caf\\udce9 ☕\n"
