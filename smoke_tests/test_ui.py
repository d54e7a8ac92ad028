"""The UI loads, its own requests pass, and those of a foreign page do not."""

import re
from urllib.parse import urlsplit

import pytest

from smoke_tests.browser import Browser
from smoke_tests.conftest import EXPERIMENT, LoggedRun
from smoke_tests.stack import Stack

SCRIPT = re.compile(r'<script[^>]+src="(static-files/static/js/main\.[0-9a-f]+\.js)"')
SCRIPT_BYTES = 1_000_000  # MLflow 3.17's is 4.5 MB; the HTML page in its place would be 1 kB
SEARCH = "ajax-api/2.0/mlflow/experiments/search"


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Browser:
    return Browser(stack)


def _search(browser: Browser, origin: str) -> tuple[int, str]:
    answer = browser.post(
        SEARCH, {"max_results": 1, "filter": f"name = '{EXPERIMENT}'"}, headers={"Origin": origin}
    )
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


def test_post_from_the_ui_passes(run: LoggedRun, stack: Stack, browser: Browser) -> None:
    parts = urlsplit(stack.tracking_uri)
    status, text = _search(browser, origin=f"{parts.scheme}://{parts.netloc}")
    assert (status, f'"{run.experiment_id}"' in text) == (200, True), text


def test_post_from_a_foreign_page_is_refused(browser: Browser) -> None:
    status, text = _search(browser, origin="https://foreign.example")
    assert status == 403, text


def test_foreign_host_is_refused(browser: Browser) -> None:
    answer = browser.get(SEARCH, headers={"Host": "foreign.example"}, max_results="1")
    assert answer.status_code == 403, answer.text
