"""What has the same bytes has the same digest, in a file, a folder or S3; what S3 says is asked for once."""

import base64
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from mlflow_team import digest
from mlflow_team.digest import DataError

CONTENT = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def s3(role: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stubber]:
    client = boto3.client("s3")
    stubber = Stubber(client)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    stubber.activate()
    return stubber


def head(stubber: Stubber, key: str, **answer: Any) -> None:
    stubber.add_response(
        "head_object",
        {"ETag": '"e"', "ContentLength": len(CONTENT), **answer},
        {"Bucket": "b", "Key": key, "ChecksumMode": "ENABLED"},
    )


def body(stubber: Stubber, key: str, **which: str) -> None:
    stubber.add_response(
        "get_object",
        {"Body": StreamingBody(io.BytesIO(CONTENT), len(CONTENT))},
        {"Bucket": "b", "Key": key, **which},
    )


def test_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CONTENT)
    found = digest.read(tmp_path / "a.csv")
    assert (found.kind, found.sha256, found.size, found.version) == (digest.FILE, SHA256, len(CONTENT), "")
    assert found.uri == str(tmp_path / "a.csv")


def test_relative_address_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_bytes(CONTENT)
    assert digest.read("a.csv").uri == str(tmp_path / "a.csv")


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_folder_is_names_and_bytes_in_whatever_order(tmp_path: Path) -> None:
    one = digest.read(folder(tmp_path / "one", "b/c.txt", "a.txt"))
    same = digest.read(folder(tmp_path / "two", "a.txt", "b/c.txt"))
    assert one.sha256 == same.sha256
    assert one.size == len("a.txt") + len("b/c.txt")
    (tmp_path / "two" / "a.txt").rename(tmp_path / "two" / "A.txt")
    assert digest.read(tmp_path / "two").sha256 != one.sha256


def test_folder_with_a_link_to_itself_ends(tmp_path: Path) -> None:
    folder(tmp_path / "one", "a.txt")
    (tmp_path / "one" / "again").symlink_to(tmp_path / "one")
    assert digest.read(tmp_path / "one").size == len("a.txt")


def test_linked_file_counts_as_its_bytes(tmp_path: Path) -> None:
    one = digest.read(folder(tmp_path / "one", "a.txt"))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.txt").symlink_to(tmp_path / "one" / "a.txt")
    assert digest.read(tmp_path / "two").sha256 == one.sha256


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path / "gone", "s3://", "s3:///key"):
        with pytest.raises(DataError):
            digest.read(name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe"):
        digest.read(tmp_path)


def test_object_is_read_in_the_version_that_was_seen(s3: Stubber) -> None:
    head(s3, "a.csv", VersionId="v1")
    body(s3, "a.csv", VersionId="v1")
    found = digest.read("s3://b/a.csv")
    assert (found.kind, found.sha256, found.size, found.version) == (
        digest.OBJECT,
        SHA256,
        len(CONTENT),
        "v1",
    )
    s3.assert_no_pending_responses()


def test_object_without_versions_must_not_change_while_it_is_read(s3: Stubber) -> None:
    head(s3, "a.csv", VersionId="null")
    body(s3, "a.csv", IfMatch='"e"')
    assert digest.read("s3://b/a.csv").version == ""


def test_digest_that_s3_keeps_is_believed(s3: Stubber) -> None:
    told = base64.b64encode(bytes.fromhex(SHA256)).decode()
    head(s3, "a.csv", ChecksumSHA256=told, ChecksumType="FULL_OBJECT")
    assert digest.read("s3://b/a.csv").sha256 == SHA256
    s3.assert_no_pending_responses()


def test_digest_of_digests_is_not(s3: Stubber) -> None:
    told = base64.b64encode(hashlib.sha256(b"parts").digest()).decode()
    head(s3, "a.csv", ChecksumSHA256=f"{told}-2", ChecksumType="COMPOSITE")
    body(s3, "a.csv", IfMatch='"e"')
    assert digest.read("s3://b/a.csv").sha256 == SHA256


def test_prefix_is_what_a_folder_with_the_same_files_is(s3: Stubber, tmp_path: Path) -> None:
    s3.add_client_error("head_object", "404", http_status_code=404)
    keys = ("data/", "data/x/b.csv", "data/a.csv")
    s3.add_response(
        "list_objects_v2", {"Contents": [{"Key": key} for key in keys]}, {"Bucket": "b", "Prefix": "data/"}
    )
    for key in keys[1:]:
        head(s3, key)
        body(s3, key, IfMatch='"e"')
    found = digest.read("s3://b/data")
    (tmp_path / "x").mkdir()
    for name in ("x/b.csv", "a.csv"):
        (tmp_path / name).write_bytes(CONTENT)
    for name in ("config", "credentials"):  # the machine's own
        (tmp_path / name).unlink(missing_ok=True)
    assert (found.kind, found.sha256) == (digest.PREFIX, digest.read(tmp_path).sha256)


def test_nothing_below_a_prefix_is_no_data(s3: Stubber) -> None:
    s3.add_response("list_objects_v2", {}, {"Bucket": "b", "Prefix": "data/"})
    with pytest.raises(DataError, match="s3://b/data/ is not there"):
        digest.read("s3://b/data/")


def test_refusal_of_s3_is_told_as_it_is(s3: Stubber) -> None:
    s3.add_client_error("head_object", "403", http_status_code=403)
    with pytest.raises(ClientError, match="403"):
        digest.read("s3://b/a.csv")
