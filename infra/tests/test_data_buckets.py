import json
import re
from typing import Any

import pytest

from config_reader import ConfigReader
from data_buckets import read_data_buckets

PATH = "teams.vision.dataBuckets"


def only_fault(buckets: Any) -> tuple[str, str, str, str]:
    config = ConfigReader({})
    read_data_buckets(config, PATH, buckets)
    (fault,) = config.faults
    return fault.key, fault.received, fault.allowed, fault.command


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Images",
        "my_data",
        "-data",
        "data-",
        "my..data",
        "192.168.5.4",
        "xn--data",
        "sthree-data",
        "amzn-s3-demo-data",
        "data-s3alias",
        "data--ol-s3",
        "data.mrap",
        "data--x-s3",
        "data--table-s3",
        "s3://data",
        "data/images",
        "arn:aws:s3:::data",
        "data*",
        "",
    ],
)
def test_name_that_is_no_buckets_is_refused(name: str) -> None:
    key, received, allowed, command = only_fault({name: "read"})
    path = f"{PATH}.{name}" if re.fullmatch(r"[\w-]+", name) else None
    assert key == (path or f'{PATH}["{name}"]')
    assert received == json.dumps(name)
    assert "3 to 63 of a-z, 0-9, . and -" in allowed
    assert command == f"pulumi config rm --path '{key}'"


@pytest.mark.parametrize("right", ["write", "Read", "readwrite", "", True, None, 1, ["read"], {"read": True}])
def test_right_that_is_neither_read_nor_read_write_is_refused(right: Any) -> None:
    assert only_fault({"my.data": right}) == (
        'teams.vision.dataBuckets["my.data"]',
        "nothing" if right is None else json.dumps(right),
        "read or read-write; never delete",
        """pulumi config set --path 'teams.vision.dataBuckets["my.data"]' read""",
    )
