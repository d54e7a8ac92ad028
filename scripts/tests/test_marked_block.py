import pytest

from marked_block import DamagedMarksError, put, take

BLOCK = "# >>> mlflow-tracking me >>>\nours\n# <<< mlflow-tracking me <<<\n"
TEXTS = [
    pytest.param("", id="empty"),
    pytest.param("theirs\n", id="usual"),
    pytest.param("theirs", id="no line break at the end"),
    pytest.param("theirs\n\n\n", id="blank lines at the end"),
    pytest.param("theirs\r\n", id="line ends of Windows"),
    pytest.param("# >>> mlflow-tracking me-too >>>\n# <<< mlflow-tracking me-too <<<\n", id="another block"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_taking_the_block_out_restores_every_byte(text: str) -> None:
    assert take(put(text, "me", "ours"), "me") == text


@pytest.mark.parametrize("text", TEXTS)
def test_putting_twice_is_putting_once(text: str) -> None:
    once = put(text, "me", "ours")
    assert put(once, "me", "ours") == once
    assert BLOCK in once


def test_changed_block_stays_in_its_place() -> None:
    text = f"before\n\n{BLOCK}after\n"
    assert put(text, "me", "new") == text.replace("ours", "new")


def test_blocks_of_two_names_live_side_by_side() -> None:
    both = put(put("theirs\n", "me", "mine"), "you", "yours")
    assert take(both, "me") == put("theirs\n", "you", "yours")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BLOCK.splitlines(keepends=True)[0], id="no end"),
        pytest.param(BLOCK.splitlines(keepends=True)[2], id="no beginning"),
        pytest.param(BLOCK + BLOCK, id="doubled"),
        pytest.param("".join(reversed(BLOCK.splitlines(keepends=True))), id="reversed"),
    ],
)
def test_damaged_marks_are_refused(text: str) -> None:
    with pytest.raises(DamagedMarksError):
        put(text, "me", "ours")
    with pytest.raises(DamagedMarksError):
        take(text, "me")
