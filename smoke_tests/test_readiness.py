"""The server can use its database and its bucket, and says so to whoever watches it."""

import time

from smoke_tests.browser import Browser

SECONDS = 30.0  # a blip of the database may pass
POLL_SECONDS = 1.0
ANSWER_SECONDS = 6.0  # what the server takes at most, and the way


def test_server_can_use_database_and_bucket(nobody: Browser) -> None:
    deadline = time.monotonic() + SECONDS
    while (answer := nobody.get("ready")).status_code != 200 and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    assert (answer.status_code, answer.json()) == (200, {"ready": True}), answer.text
    assert answer.elapsed.total_seconds() < ANSWER_SECONDS


def test_nothing_else_is_told_to_a_stranger(nobody: Browser) -> None:
    """No name of a host, a bucket or a user."""
    assert set(nobody.get("ready").json()) <= {"ready", "database", "bucket"}
    assert nobody.send("POST", "ready").status_code == 401
