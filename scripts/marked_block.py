"""One block between marks in a text that otherwise belongs to somebody else."""

import re


class DamagedMarksError(ValueError):
    """The marks do not enclose exactly one block, so nobody can tell what is ours."""


def put(text: str, name: str, body: str) -> str:
    """Return the text with the block `name` holding `body`: in its old place, else at the end.

    Raises:
        DamagedMarksError: a mark is missing, doubled or out of order.
    """
    block = f"{_begin(name)}\n{body.rstrip()}\n{_end(name)}\n"
    if found := _find(text, name):
        return text[: found.start()] + found["lead"] + block + text[found.end() :]
    # The line break belongs to the block: it ends a last line that has none, and `take` removes it again.
    return f"{text}\n{block}" if text else block


def take(text: str, name: str) -> str:
    """Return the text without the block `name`, every other byte as it was before `put`.

    Raises:
        DamagedMarksError: a mark is missing, doubled or out of order.
    """
    found = _find(text, name)
    return text[: found.start()] + text[found.end() :] if found else text


def _find(text: str, name: str) -> re.Match[str] | None:
    begin, end = re.escape(_begin(name)), re.escape(_end(name))
    found = re.search(rf"(?P<lead>\A|\n){begin}\s*?\n.*?^{end}\s*?(\n|\Z)", text, re.DOTALL | re.MULTILINE)
    marks = re.findall(rf"^(?:{begin}|{end})\s*?$", text, re.MULTILINE)
    if len(marks) != (2 if found else 0):
        raise DamagedMarksError(
            f"lines {_begin(name)!r} and {_end(name)!r} must stand there once each, in this order"
        )
    return found


def _begin(name: str) -> str:
    return f"# >>> mlflow-tracking {name} >>>"


def _end(name: str) -> str:
    return f"# <<< mlflow-tracking {name} <<<"
