"""Keeps logins out of the log, wherever in a request a client put them: an access log tells whole addresses."""

import logging
import re
from typing import Any

LOGIN = re.compile(r"mlflow-aws-v1[\w.~=-]*|X-Amz-[\w-]+(?:=|%3D)[^&\s\"']*", re.IGNORECASE | re.ASCII)
INSTEAD = "<login>"


def redact_logs() -> None:
    """Redact every line that is logged in this process from now on, whoever logs it."""
    make = logging.getLogRecordFactory()

    def redacted(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # logging itself complains of it, in a better place
            return record
        if LOGIN.search(text):
            record.msg, record.args = LOGIN.sub(INSTEAD, text), ()
        return record

    logging.setLogRecordFactory(redacted)
