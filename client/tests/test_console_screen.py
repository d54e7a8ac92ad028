import io

import pytest
from tqdm import tqdm

from mlflow_team.console.screen import KEPT_ROWS, LONGEST_ROW, Screen


def seen(*texts: str) -> list[str]:
    """Return all lines of a stream to which these texts were written."""
    screen = Screen()
    done = [line for text in texts for line in screen.feed(text)]
    return done + screen.rows()


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["one\ntwo\n", "\n", "three"], ["one", "two", "", "three"]),
        (["to", "ken", "\n"], ["token"]),
        (["windows\r\n", "next\r\n"], ["windows", "next"]),
        (["\r 1%", "\r 2%", "\r 3%\n"], [" 3%"]),
        ([" 1%\r", " 2%\r"], [" 2%"]),
        (["\rbar", "\r   ", "\r", "said\n"], ["said"]),
        (["\rbar", "\r   \r"], ["bar"]),
        (["\x08\x08\x08\r 1%", "\x08\x08\x08\r 2%"], [" 2%"]),
        (["\x1b[31mred\x1b[0m \x1b]8;;http://h\x07link\x1b]8;;\x07\n"], ["red link"]),
        (["\x1b[3", "1mred\n"], ["red"]),
        (["\rlong\x1b[K", " more\n"], ["long more"]),
        (["one\ntwo", "\r\x1b[2K\x1b[1A\x1b[2K", "1\n2"], ["one", "1", "2"]),  # what rich does
    ],
)
def test_lines_are_what_a_terminal_shows_in_the_end(texts: list[str], lines: list[str]) -> None:
    assert seen(*texts) == lines


def test_line_is_done_with_its_newline() -> None:
    screen = Screen()
    assert screen.feed("one\ntwo\nthr") == ["one", "two"]
    assert screen.rows() == ["thr"]


def test_line_without_an_end_has_one() -> None:
    screen = Screen()
    done = [line for _ in range(10 * LONGEST_ROW // 100) for line in screen.feed("." * 100)]
    assert len(done) == 9
    assert len(screen.rows()[0]) <= LONGEST_ROW


class Terminal(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        self.texts.append(text)
        return len(text)


def test_nested_progress_bars_leave_few_lines_and_every_message() -> None:
    terminal = Terminal()
    for epoch in tqdm(range(3), "epoch", file=terminal, mininterval=0):
        for _ in tqdm(range(50), "batch", file=terminal, mininterval=0, leave=False):
            pass
        tqdm.write(f"loss of {epoch}", file=terminal)
    terminal.write("done\n")
    lines = seen(*terminal.texts)
    assert len(terminal.texts) > 300
    assert [line.strip() for line in lines if "loss" in line or "done" in line] == [
        "loss of 0", "loss of 1", "loss of 2", "done",
    ]  # fmt: skip
    assert sum("epoch: 100%" in line for line in lines) == 1
    assert len(lines) <= 4 + 4


def test_what_follows_a_display_is_done_soon() -> None:
    screen = Screen()
    screen.feed("\n\rinner\x1b[A")
    done = [line for number in range(30) for line in screen.feed(f"{number}\n")]
    assert done[-1] == "29"
    assert len(screen.feed("\n" * 5)) == 5


def test_cursor_far_above_costs_nothing() -> None:
    screen = Screen()
    screen.feed("\x1b[99999999A" * 100)
    screen.feed("\n" * 10_000)
    assert len(screen._rows) <= KEPT_ROWS
