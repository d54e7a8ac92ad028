"""Whether an answer about another team's thing is the answer about a thing that does not exist."""

import json
import re
from collections.abc import Mapping
from typing import Any

from rehearsal.tests.isolation.client import Answer
from rehearsal.tests.isolation.values import COMMON, Seeded

# What a server makes up anew for each request: ids, digests, numbers of experiments, times.
MADE_UP = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}|\d{6,}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?|\d+ minutes ago"
)
# They differ for reasons of their own.
PASSING_HEADERS = {"date", "content-length"}
# A shorter text can stand anywhere.
TELLING_LENGTH = 6


def without(text: str, sent: Mapping[str, str]) -> str:
    """Return a text in which the values that were sent are replaced by their names."""
    for name, value in sorted(sent.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{name}>")
    return text


def unordered(text: str) -> str:
    """Return JSON with its lists in one order: MLflow asks for none, so Postgres' planner decides."""
    try:
        return json.dumps(_sorted(json.loads(text)))
    except ValueError:
        return text


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in sorted(value.items())}
    return sorted(map(_sorted, value), key=json.dumps) if isinstance(value, list) else value


def difference(
    theirs: Answer, absent: Answer, sent: Mapping[str, str], absent_sent: Mapping[str, str]
) -> str:
    """Say how two answers differ beside the ids that were sent; nothing when they do not."""
    if theirs.status != absent.status:
        one, other = (f"{answer.status} {answer.text[:300]!r}" for answer in (theirs, absent))
        return f"{one}, for what does not exist {other}"
    if theirs.body == absent.body:
        return _heads(theirs, absent)
    told_apart = {name for name in sent if sent[name] != absent_sent[name]}
    one, other = (
        MADE_UP.sub("<made up>", without(answer.text, {name: values[name] for name in told_apart}))
        for answer, values in ((theirs, sent), (absent, absent_sent))
    )
    if one != other:
        return f"{one[:600]!r}, for what does not exist {other[:600]!r}"
    return _heads(theirs, absent)


def _heads(theirs: Answer, absent: Answer) -> str:
    heads = [set(answer.headers) - PASSING_HEADERS for answer in (theirs, absent)]
    return "" if heads[0] == heads[1] else f"headers {heads[0] ^ heads[1]}"


def leaked(answer: Answer, other: Seeded, sent: Mapping[str, str]) -> list[str]:
    """Name what of another team stands in an answer and was not in the request."""
    text = without(answer.text + repr(dict(answer.headers)), sent)
    telling = {
        n: v
        for n, v in other.items()
        if n == "mark" or (n not in COMMON | {"team"} and len(v) >= TELLING_LENGTH)
    }
    return sorted(name for name, value in telling.items() if value in text)
