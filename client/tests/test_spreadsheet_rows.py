import re
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from mlflow_team.bad_input import BadInputError
from mlflow_team.spreadsheet import rows, sheet
from mlflow_team.spreadsheet.rows import Reading, Row

DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - as spreadsheets keep it
HEAD = "run,lr,loss\nrun name,parameter,metric\n"


def read(path: Path, decimal: str = "", **how: str) -> tuple[list[Row], list[str]]:
    reading = Reading(decimal=decimal, zone=ZoneInfo("UTC"), folder=path.parent, source=path.name)
    return rows.read(sheet.read(path, **how), reading)


def csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "experiments.csv"
    path.write_bytes(text.encode(encoding))
    return path


def xlsx(folder: Path, *table: Sequence[object]) -> Path:
    book = openpyxl.Workbook()
    for row in table:
        book.active.append(row)
    path = folder / "experiments.xlsx"
    book.save(path)
    return path


def test_each_column_is_what_the_second_row_says(tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"png")
    path = xlsx(
        tmp_path,
        ["id", "run", "lr", "loss", "stage", "what", "from", "to", "plot", "state", "mine"],
        [
            "key",
            "Run Name",
            "param",
            "METRIC",
            "tag",
            "note",
            "start_time",
            "end time",
            "artifact",
            "status",
            "ignore",
        ],
        [
            7,
            "first",
            0.01,
            0.3,
            "dev",
            "a note",
            DAY,
            DAY + timedelta(days=1),
            "plot.png",
            "failed",
            "x",
        ],
    )
    (row,), faults = read(path)
    assert faults == []
    assert (row.number, row.key, row.name, row.status) == (3, "7", "first", "FAILED")
    assert (row.params, row.metrics) == ({"lr": "0.01"}, {"loss": 0.3})
    assert row.tags == {"stage": "dev", "mlflow.note.content": "a note"}
    assert (row.start_ms, row.end_ms) == (1767225600000, 1767312000000)
    assert row.artifacts == [tmp_path / "plot.png"]


def test_row_is_known_by_its_key_or_its_name_or_its_place(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,run,lr\nkey,run name,parameter\nk,first,1\n,second,1\n,,1\n")
    assert [row.key for row in read(path)[0]] == ["k", "second", "experiments.csv!5"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = csv(tmp_path, "名前,損失\nrun name,metric\n実験①,0.5\n", encoding)
    (row,), faults = read(path)
    assert (row.name, row.metrics, faults) == ("実験①", {"損失": 0.5}, [])


def test_encoding_that_was_said_counts(tmp_path: Path) -> None:
    path = csv(tmp_path, "größe,loss\nparameter,metric\nüber,1\n", "latin-1")
    (row,), _ = read(path, encoding="latin-1")
    assert row.params == {"größe": "über"}
    with pytest.raises(BadInputError, match="no encoding"):
        read(path, encoding="klingon")
    path.write_bytes(b"run\nrun name\n\x81\xff\n")
    with pytest.raises(BadInputError, match="not text in utf-8 or cp932: name its encoding"):
        read(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_found(tmp_path: Path, separator: str) -> None:
    text = HEAD + 'first,0.1,"0,97"\n'
    (row,), faults = read(
        csv(tmp_path, text if separator == "," else text.replace('"0,97"', "0.97").replace(",", separator))
    )
    assert (row.params, row.metrics, faults) == ({"lr": "0.1"}, {"loss": 0.97}, [])


def test_all_faults_are_told_by_row_and_column_at_once(tmp_path: Path) -> None:
    text = (
        "run,lr,loss,from,plot,note,extra\n"
        "run name,parameter,metric,start time,artifact path,note,\n"
        f"first,{'x' * 6001},abc,03/04/2026,none.png,{'x' * 8001},\n"
        'first,1,"1,234",,s3://bucket/key,,\n'
        ",,,,,,,beyond\n"
    )
    _, faults = read(csv(tmp_path, text))
    assert [fault.split(": ")[0] for fault in faults] == [
        "row 2, column G (extra)",
        "row 3, column B (lr)",
        "row 3, column C (loss)",
        "row 3, column D (from)",
        "row 3, column E (plot)",
        "row 3, column F (note)",
        "row 4, column C (loss)",
        "row 4, column E (plot)",
        "row 5, column H",
        "rows 3, 4",
    ]
    assert "6001 characters; MLflow keeps 6000" in faults[1]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("a,a\nparameter,parameter", "columns A, B: parameter 'a' is there 2 times"),
        ("a,b\nnote,note", "type 'note' is there 2 times"),
        ("a\nhyperparameter", "type is 'hyperparameter'; allowed: key, run name"),
        (",b\nmetric,metric", "row 1, column A: empty; a metric needs a name"),
        ("a$b\nmetric", "row 1, column A .*Invalid"),
        ("mlflow.user\ntag", "is set by MLflow"),
        ("mlflow_team.import.key\ntag", "is set by MLflow"),
        (f"{'x' * 251}\nparameter", "251 characters; allowed: 250"),
        ("a,b\n,", "row 2 is empty: it must say what each column is"),
    ],
)
def test_wrong_header_is_told(tmp_path: Path, head: str, said: str) -> None:
    _, faults = read(csv(tmp_path, f"{head}\n1,2\n"))
    assert re.search(said, "\n".join(faults))


def with_values(path: Path, values: dict[str, str]) -> Path:
    """Write what a spreadsheet would have calculated; openpyxl keeps formula or value, never both."""
    changed = path.with_name("calculated.xlsx")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            part = before.read(name).decode() if name.endswith(".xml") else before.read(name)
            for formula, value in values.items():
                if isinstance(part, str):
                    part = part.replace(f"<f>{formula}</f><v></v>", f"<f>{formula}</f><v>{value}</v>")
                    part = part.replace(f"<f>{formula}</f><v />", f"<f>{formula}</f><v>{value}</v>")
            after.writestr(name, part)
    return changed


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret", "link", "~/.aws/config", "."])
def test_no_artifact_is_taken_from_outside_the_sheets_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "sheets"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (row,), faults = read(csv(folder, f"run,plot\nrun name,artifact\nfirst,{path}\n"))
    assert row.artifacts == []
    assert faults


def test_formula_counts_with_its_value_and_without_one_is_a_fault(tmp_path: Path) -> None:
    path = xlsx(tmp_path, ["run", "loss"], ["run name", "metric"], ["first", "=1/4"])
    assert read(path)[1] == [
        (
            "row 3, column B (loss): a formula without its value: "
            "open the file in a spreadsheet and save it there"
        )
    ]
    (row,), faults = read(with_values(path, {"1/4": "0.25"}))
    assert (row.metrics, faults) == ({"loss": 0.25}, [])


def test_formula_that_fails_is_a_fault(tmp_path: Path) -> None:
    path = xlsx(tmp_path, ["run", "loss"], ["run name", "metric"], ["first", "#DIV/0!"])
    assert read(path)[1] == ["row 3, column B (loss): the formula ends in #DIV/0!: mend it"]


def test_dates_of_1904_and_text_that_looks_like_a_number_are_kept(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    for row in (
        ["run", "from", "id"],
        ["run name", "start time", "parameter"],
        ["a", DAY, "007"],
    ):
        book.active.append(row)
    path = tmp_path / "old.xlsx"
    book.save(path)
    (found,), _ = read(path)
    assert (found.start_ms, found.params) == (1767225600000, {"id": "007"})


def test_sheet_is_the_first_or_the_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    second = book.create_sheet("second")
    for row in (["a"], ["parameter"], ["2"]):
        second.append(row)
    path = tmp_path / "two.xlsx"
    book.save(path)
    assert read(path, sheet="second")[0][0].key == "two.xlsx!3"
    with pytest.raises(BadInputError, match=r"--sheet is 'third'; .* has: Sheet, second"):
        read(path, sheet="third")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"no zip", "no .xlsx file"),
        ("a.ods", b"", "allowed: .xlsx, .csv, .tsv"),
        ("a.csv", b'a\nparameter\n"open', "mend the quotes"),
    ],
)
def test_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match=said):
        read(tmp_path / name)


def test_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = xlsx(tmp_path, ["a"], ["parameter"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/media/zeros", bytes(sheet.LARGEST))
    with pytest.raises(BadInputError, match="unpacked"):
        read(path)


def test_ten_thousand_rows_with_faults_are_read(tmp_path: Path) -> None:
    lines = "".join(
        f"run-{number},{number},{'x' if number % 1000 == 0 else number}\n" for number in range(10_000)
    )
    found, faults = read(csv(tmp_path, HEAD + lines))
    assert len(found) == 10_000
    assert [fault.split(",")[0] for fault in faults] == [
        f"row {number + 3}" for number in range(0, 10_000, 1000)
    ]
