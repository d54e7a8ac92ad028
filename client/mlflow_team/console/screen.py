"""The rows of a stream that may still change: what a progress bar overwrites is not history."""

import re

# Rows kept while a display moves the cursor up, as nested progress bars do.
KEPT_ROWS = 10
# Characters after which a row is taken as done, newline or not.
LONGEST_ROW = 65_536
CONTROL = re.compile(
    r"(\r?\n|\r|\x08|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_])"
)
MOVES = re.compile(r"\x1b\[(\d*)([AFK])")
UNFINISHED = re.compile(r"\x1b(\[[0-?]*[ -/]*|\][^\x07\x1b]{0,200})?\Z")


class Screen:
    """A terminal as far as progress bars need one: carriage return, cursor up, erase; colours are dropped."""

    def __init__(self) -> None:
        self._rows = [""]
        self._row = 0
        self._overwrite = False  # what comes next takes the place of what stands in the row
        self._lines_since_up = KEPT_ROWS
        self._unfinished = ""

    def feed(self, text: str) -> list[str]:
        """Take what was written, and return the lines that are done."""
        text = self._unfinished + text
        unfinished = UNFINISHED.search(text)
        self._unfinished = unfinished[0] if unfinished else ""
        done: list[str] = []
        for part in CONTROL.split(text[: len(text) - len(self._unfinished)]):
            if part.endswith("\n"):
                self._down()
                done += self._done()
            elif part == "\r":
                self._overwrite = True
            elif move := MOVES.match(part):
                self._move(move[2], move[1])
            elif part and part[0] not in "\x1b\x08":
                for begin in range(0, len(part), LONGEST_ROW):
                    self._put(part[begin : begin + LONGEST_ROW])
                    if len(self._rows[self._row]) >= LONGEST_ROW:
                        self._down()
                        done += self._done()
        return done

    @property
    def idle(self) -> bool:
        """Tell whether it can be forgotten: nothing is under way."""
        return not self._unfinished and not self.rows()

    def rows(self) -> list[str]:
        """Return what is not done."""
        return [row for row in self._rows if row]

    def _put(self, text: str) -> None:
        if self._overwrite and not text.strip() and self._rows[self._row]:
            return  # spaces wipe a bar away: its last state stays until something stands there
        self._rows[self._row] = text if self._overwrite else self._rows[self._row] + text
        self._overwrite = False

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
            self._lines_since_up += 1
        self._overwrite = True

    def _move(self, how: str, number: str) -> None:
        if how == "K":
            self._overwrite = self._overwrite or number in ("1", "2")
            return
        self._overwrite = True
        self._lines_since_up = 0
        for _ in range(min(int(number or 1), KEPT_ROWS)):
            if self._row:
                self._row -= 1
            else:
                self._rows.insert(0, "")

    def _done(self) -> list[str]:
        """Take away what nothing can reach any more."""
        kept = KEPT_ROWS if self._lines_since_up < KEPT_ROWS else 1
        number = min(self._row, max(0, len(self._rows) - kept))
        done, self._rows = self._rows[:number], self._rows[number:]
        self._row -= number
        return done
