import pytest
from google.protobuf import struct_pb2

from rehearsal.wire import (
    SECRET_SIGNATURE,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Secret,
    UnsupportedValueError,
    decode,
    encode,
    reveal,
)


def test_values_survive_the_way_there_and_back() -> None:
    values = {
        "text": "x", "whole": 3, "half": 0.5, "yes": True, "nothing": None,
        "list": [1, "a", {"b": []}], "secret": Secret({"deep": [1]}), "unknown": UNKNOWN,
    }  # fmt: skip
    assert decode(encode(values)) == values


def test_a_secret_and_an_unknown_are_marked_as_pulumi_marks_them() -> None:
    struct = encode({"secret": Secret("x"), "unknown": UNKNOWN})
    assert struct["secret"][SIGNATURE] == SECRET_SIGNATURE
    assert struct["unknown"] == UNKNOWN_TEXT


def test_a_secret_is_never_shown() -> None:
    assert "hunter2" not in f"{Secret('hunter2')} {[Secret('hunter2')]!r}"


def test_revealing_opens_secrets_at_any_depth() -> None:
    assert reveal({"a": [Secret({"b": Secret("x")})]}) == {"a": [{"b": "x"}]}


def test_an_asset_is_refused() -> None:
    struct = struct_pb2.Struct()
    struct.update({SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "path": "x"})
    with pytest.raises(UnsupportedValueError, match="not rehearsed"):
        decode(struct)
