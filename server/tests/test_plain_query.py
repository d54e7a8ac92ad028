"""Which query strings the fast path reads, and which it leaves to MLflow."""

import pytest

from server.tracking_server.plain_query import plain_query


def query(text: bytes) -> dict[str, list[str]] | None:
    return plain_query(text, {"key", "most"}, {"run"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"key=loss", {"key": ["loss"]}),
        (b"run=a&key=loss&run=b", {"run": ["a", "b"], "key": ["loss"]}),
        (b"key=", {"key": [""]}),
        (b"key=a+b%20c%2Bd", {"key": ["a b c+d"]}),
        (b"key=gr%C3%B6%C3%9Fe", {"key": ["größe"]}),
        (b"%6Bey=loss", {"key": ["loss"]}),
        (b"key=a=b;most=1", {"key": ["a=b;most=1"]}),
        (b"key=%", {"key": ["%"]}),
    ],
)
def test_a_plain_query_is_read_as_flask_reads_it(text: bytes, found: dict[str, list[str]]) -> None:
    from werkzeug.datastructures import MultiDict  # noqa: PLC0415
    from werkzeug.sansio.request import Request  # noqa: PLC0415

    flask = Request("GET", "http", None, "", "/", text, MultiDict(), None)  # type: ignore[arg-type]
    assert query(text) == found == flask.args.to_dict(flat=False)


@pytest.mark.parametrize(
    "text",
    [
        b"key=a&key=a",  # doubled
        b"key=a&page=2",  # unknown
        b"Key=a",
        b"key[]=a",
        b"key=a&",  # without a name
        b"&key=a",
        b"key",
        b"key=a&run",
        b"key=\xc3\xb6",  # not ASCII
        b"key=%FF",  # not UTF-8
        b"key=%ED%A0%80",
        b"key=%00",  # not Postgres's
        b"run=a%00",
    ],
)
def test_an_unusual_query_is_mlflows_to_judge(text: bytes) -> None:
    assert query(text) is None


def test_no_query_asks_for_nothing() -> None:
    assert not query(b"")
