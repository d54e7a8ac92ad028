"""A client that says nothing does not hang the rehearsal."""

from pathlib import Path

import pytest

from rehearsal import laptop
from rehearsal.laptop import ClientError, Laptop

pytestmark = pytest.mark.rehearsal


def test_silent_client_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laptop, "CLIENT_SECONDS", 0.5)
    with pytest.raises(ClientError, match="did not end within"):
        Laptop({}, tmp_path, lambda _: None)._run(["-c", "import time; time.sleep(30)"], {})


def test_failing_client_is_told_with_what_it_printed(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ClientError, match="exit code 3"):
        Laptop({}, tmp_path, said.append)._run(["-c", "print('no luck'); raise SystemExit(3)"], {})
    assert said == ["no luck"]
