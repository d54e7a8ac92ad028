import logging
from collections.abc import Iterator

import pytest

from server.tracking_server.redaction import redact_logs

SECRETS = ("mlflow-aws-v1.aHR0cHM6Ly9zdHM", "X-Amz-Signature=0123abcd", "x-amz-security-token%3DIQoJb3Jp%2FZ")


@pytest.fixture(autouse=True)
def redacted() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    redact_logs()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ["whole", "argument"])
def test_no_line_holds_a_login(form: str, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    line = f'"GET /api/runs/{secret}&page=1 HTTP/1.1" 404'
    log = logging.getLogger("anybody's")
    if form == "whole":
        log.error(line)
    else:
        log.error("%s - %d", line, 1)
    assert secret not in caplog.text
    assert '"GET /api/runs/<login>' in caplog.text


def test_other_lines_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("anybody's").error("%s took %d ms", "GET /", 3)
    assert caplog.records[0].args == ("GET /", 3)
    assert "GET / took 3 ms" in caplog.text
