"""The UI loads through `mlflow-team ui`, its own requests pass, and those of a foreign page do not."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from smoke_tests.browser import Browser
from smoke_tests.conftest import EXPERIMENT, LoggedRun
from smoke_tests.stack import Stack
from smoke_tests.ui_proxy import UiProxy

SCRIPT = re.compile(r'<script[^>]+src="(static-files/static/js/main\.[0-9a-f]+\.js)"')
SCRIPT_BYTES = 1_000_000  # MLflow 3.17's is 4.5 MB; the HTML page in its place would be 1 kB
SEARCH = "ajax-api/2.0/mlflow/experiments/search"


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    """Look at the UI as a person does, who knows no token."""
    proxy = UiProxy()
    yield Browser(proxy.address, workspace=stack.team)
    proxy.stop()


def _origin(browser: Browser) -> str:
    parts = urlsplit(browser.address)
    return f"{parts.scheme}://{parts.netloc}"


def _search(browser: Browser, origin: str) -> tuple[int, str]:
    answer = browser.post(SEARCH, {"max_results": 1, "filter": f"name = '{EXPERIMENT}'"}, {"Origin": origin})
    return answer.status_code, answer.text


def test_page_and_its_script_load(browser: Browser) -> None:
    page = browser.get("")
    assert (page.status_code, '<div id="root"' in page.text) == (200, True), page.text[:300]
    found = SCRIPT.search(page.text)
    assert found, page.text
    script = browser.get(found[1])
    assert script.status_code == 200, script.text[:300]
    assert "javascript" in script.headers["Content-Type"]
    assert len(script.content) > SCRIPT_BYTES
    assert "X-MLFLOW-WORKSPACE" in script.text


def test_post_from_the_ui_passes(run: LoggedRun, browser: Browser) -> None:
    status, text = _search(browser, _origin(browser))
    assert (status, f'"{run.experiment_id}"' in text) == (200, True), text


def test_ui_lists_the_artifacts(run: LoggedRun, browser: Browser) -> None:
    listing = browser.get("ajax-api/2.0/mlflow/artifacts/list", run_id=run.run_id, path="notes")
    assert listing.status_code == 200, listing.text
    assert [(file["path"], int(file["file_size"])) for file in listing.json()["files"]] == [
        ("notes/note.txt", len(run.artifact))
    ]


def test_ui_downloads_an_artifact(run: LoggedRun, browser: Browser) -> None:
    answer = browser.get("get-artifact", run_uuid=run.run_id, path="notes/note.txt")
    assert (answer.status_code, answer.content) == (200, run.artifact)


def test_post_from_a_foreign_page_is_refused(browser: Browser) -> None:
    status, text = _search(browser, "https://foreign.example")
    assert status == 403, text


def test_foreign_host_is_refused(browser: Browser) -> None:
    answer = browser.get(SEARCH, headers={"Host": "foreign.example"}, max_results="1")
    assert answer.status_code == 403, answer.text


def test_ui_stands_where_nobody_else_can_guess(browser: Browser) -> None:
    """Other people of this machine reach its port too."""
    guessed = Browser(_origin(browser)).get(SEARCH, max_results="1")
    assert guessed.status_code == 403, guessed.text
