import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mlflow_team.spreadsheet import guard, values

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("told", "decimal", "sure", "number"),
    [
        (3, ".", False, 3.0),
        ("0.97", ".", False, 0.97),
        ("-1e-5", ".", False, -1e-5),
        (" 5. ", ".", False, 5.0),
        ("0,97", ".", False, 0.97),
        ("0,123", ".", False, 0.123),
        ("-12,5", ".", False, -12.5),
        ("1.234", ".", False, 1.234),
        ("1,234,567", ".", False, 1234567.0),
        ("1,234.5", ".", False, 1234.5),
        ("1.234,5", ".", False, 1234.5),
        ("1,234", ".", True, 1234.0),
        # A sheet whose likely sign is a comma.
        ("1,234", ",", False, 1.234),
        ("0.97", ",", False, 0.97),
        ("1.234.567,5", ",", False, 1234567.5),
        ("1.234", ",", True, 1234.0),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH FULL STOP}5", ".", False, 12.5),
        ("\N{MINUS SIGN}3", ".", False, -3.0),
        ("-inf", ".", False, -math.inf),
    ],
)
def test_number_is_read_as_it_was_meant(told: str, decimal: str, sure: bool, number: float) -> None:  # noqa: FBT001
    assert values.number(told, decimal=decimal, sure=sure) == number


def test_not_a_number_is_one() -> None:
    assert math.isnan(values.number("NaN", decimal=".", sure=False))


@pytest.mark.parametrize(
    ("told", "decimal", "sure", "said"),
    [
        ("1,234", ".", False, "is it 1.234 or 1234"),
        ("1.234", ",", False, "--decimal"),
        ("0,97", ".", True, "write it as 0.97"),
        ("0.97", ",", True, "write it as 0,97"),
        ("97 %", ".", False, "no number"),
        ("n/a", ".", False, "leave the cell empty"),
        ("1e999", ".", False, "larger"),
        ("1,23,4", ".", False, "no number"),
        (True, ".", False, "no number"),
        (datetime(2026, 1, 1, tzinfo=UTC), ".", False, "no number"),
    ],
)
def test_what_is_no_number_or_could_be_two_is_refused(
    told: str,
    decimal: str,
    sure: bool,  # noqa: FBT001
    said: str,
) -> None:
    with pytest.raises(ValueError, match=said):
        values.number(told, decimal=decimal, sure=sure)


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-24T14:30:00+09:00",
        "2026-11-24 14:30",
        "2026-11-24T05:30Z",
        "2026/11/24 14:30",
        "2026/11/24 14:30:00",
        "2026年11月24日 14:30",
        "24.11.2026 14:30",
        "202\N{FULLWIDTH DIGIT SIX}/11/24 14:30",
        datetime(2026, 11, 24, 14, 30),  # noqa: DTZ001 - as spreadsheets keep it
        46350 + (14 + 30 / 60) / 24,
    ],
)
def test_time_is_read_in_the_zone_that_was_said(told: str | datetime | float) -> None:
    assert values.moment(told, zone=TOKYO) == datetime(2026, 11, 24, 5, 30, tzinfo=UTC).timestamp() * 1000


def test_serial_numbers_of_old_files_count_from_1904() -> None:
    told = values.moment(46350 - 1462, zone=ZoneInfo("UTC"), old_dates=True)
    assert told == datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize("told", ["03/04/2026", "yesterday", "2026-13-01", 3, True, "1960-01-01"])
def test_what_is_no_time_or_could_be_two_is_refused(told: str | float) -> None:
    with pytest.raises(ValueError, match=r"no time|before 1970"):
        values.moment(told, zone=TOKYO)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("  ", ""),
        (" x ", " x "),
        (0.01, "0.01"),
        (5, "5"),
        (True, "True"),
        (datetime(2026, 1, 2), "2026-01-02"),  # noqa: DTZ001 - as spreadsheets keep it
        (datetime(2026, 1, 2, 3, 4), "2026-01-02 03:04:00"),  # noqa: DTZ001 - same
    ],
)
def test_text_is_what_a_person_sees(cell: values.Cell, text: str) -> None:
    assert values.text(cell) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "+49 30", "-x", "@me", "\tx", "'=1+1", "''=1", "'quoted", "-5", "plain"]
)
def test_guarded_text_comes_back_and_runs_nowhere(text: str) -> None:
    guarded = guard.on(text)
    assert guard.off(guarded) == text
    assert guarded[0] not in "=+@\t\r\n"
    assert guarded[0] != "-" or text == "-5"


@pytest.mark.parametrize("text", ["a\x0bb", "_x0041_", "\x00", "x_y", "_x005F_x0041_"])
def test_escaped_text_comes_back(text: str) -> None:
    assert guard.unescape(guard.escape(text)) == text
    assert guard.escape(text).isprintable()
