"""Packages are told as pip installs them again, wherever they came from, without a login."""

import json
from importlib.metadata import Distribution
from unittest.mock import Mock

import pytest

from mlflow_team import environment
from mlflow_team.source_code import without_login


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({}, "x==1"),
        ({"url": "https://u:p@h/x-1.whl?sig=s", "archive_info": {}}, "x @ https://h/x-1.whl"),
        (
            {"url": "https://t@h/x", "vcs_info": {"vcs": "git", "commit_id": "c"}, "subdirectory": "s"},
            "x @ git+https://h/x@c#subdirectory=s",
        ),
        ({"url": "file:///x", "dir_info": {}}, "# from a folder, not installable elsewhere: x==1"),
    ],
)
def test_package_is_told_with_its_origin(origin: dict[str, object], line: str) -> None:
    package = Mock(spec=Distribution, version="1")
    package.read_text.return_value = json.dumps(origin)
    assert environment._line("x", package) == line


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://me:p@ss@h:8443/x.git", "https://h:8443/x.git"),
        ("ssh://git:pw@h/x", "ssh://git@h/x"),
        ("git@h:team/x.git", "git@h:team/x.git"),
        ("https://h/a@b", "https://h/a@b"),
        ("../x", "../x"),
    ],
)
def test_address_is_kept_without_its_login(address: str, kept: str) -> None:
    assert without_login(address) == kept
