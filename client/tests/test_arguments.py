import pytest

from mlflow_team.arguments import MASK, command, masked

WEBHOOK = "https://hooks.slack.com/services/T000/B000/xyz"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["t.py", "--password", "hunter2"], ["t.py", "--password", MASK]),
        (["t.py", "--db-password=hunter2"], ["t.py", f"--db-password={MASK}"]),
        (["t.py", "API_KEY=abc", "lr=0.1"], ["t.py", f"API_KEY={MASK}", "lr=0.1"]),
        (["t.py", "--token", "--lr", "1"], ["t.py", "--token", "--lr", "1"]),
        (["postgresql://me:pw@db/x"], [f"postgresql://{MASK}@db/x"]),
        (["--data=s3://bucket/a"], ["--data=s3://bucket/a"]),
        (["AKIAABCDEFGHIJKLMNOP"], [MASK]),
        (["--key-of=ghp_abcdefghijklmnopqrstuvwxyz"], [f"--key-of={MASK}"]),
        ([WEBHOOK], [MASK]),
        (["--max-tokens", "100", "--tokenizer", "bpe"], ["--max-tokens", "100", "--tokenizer", "bpe"]),
    ],
)
def test_secrets_are_masked_and_nothing_else(words: list[str], kept: list[str]) -> None:
    assert masked(words) == kept


def test_program_on_the_command_line_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["python", "-c", "login('hunter2')"])
    assert command() == ["-c", MASK]


def test_module_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["/usr/bin/python3", "-m", "train", "--lr", "1"])
    assert command() == ["-m", "train", "--lr", "1"]
