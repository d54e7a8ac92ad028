"""What data is, wherever it lies: the SHA-256 of a file, a folder, or what S3 holds."""

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHUNK_BYTES = 1024 * 1024
S3 = "s3"
FILE, FOLDER, OBJECT, PREFIX = "file", "folder", "s3 object", "s3 prefix"


class DataError(ValueError):
    """There is no such data, or it is none that can be read."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data as it was when it was read.

    Attributes:
        uri: where it lay: an absolute path, or an s3:// address.
        kind: FILE, FOLDER, OBJECT or PREFIX.
        sha256: 64 hexadecimal digits; of many files, that of their sorted names and digests, so that a folder
            and a copy of it in S3 have the same.
        size: in bytes.
        version: S3's version of one object; empty without one.
    """

    uri: str
    kind: str
    sha256: str
    size: int
    version: str = ""


def read(address: str | os.PathLike[str]) -> Data:
    """Read all of a file, a folder, an S3 object, or what lies below an S3 prefix.

    Raises:
        DataError: nothing is there, or something that is neither file nor folder.
        botocore.exceptions.ClientError: S3 said no.
    """
    text = os.fspath(address)
    if urlsplit(text).scheme == S3:
        return _in_s3(text)
    path = Path(text).absolute()
    if path.is_dir():
        files = [(name, _of_file(path / name)) for name in _names_below(path)]
        return Data(
            uri=str(path),
            kind=FOLDER,
            sha256=_of_many((name, sha256) for name, (sha256, _) in files),
            size=sum(size for _, (_, size) in files),
        )
    if not path.is_file():
        raise DataError(f"{text} is neither a file nor a folder nor an s3:// address")
    sha256, size = _of_file(path)
    return Data(uri=str(path), kind=FILE, sha256=sha256, size=size)


def _names_below(folder: Path) -> list[str]:
    """Return the files in a folder, with slashes on every system; links are followed, each folder once."""
    names, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            path = Path(here, name)
            if not path.is_file():
                raise DataError(f"{path} is no file: a folder of data holds files and folders")
            names.append(path.relative_to(folder).as_posix())
    return names


def _of_file(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return _of_chunks(iter(lambda: file.read(CHUNK_BYTES), b""))


def _of_chunks(chunks: Iterable[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _of_many(files: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, sha256 in sorted(files):
        digest.update(f"{sha256}  {name}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _in_s3(address: str) -> Data:
    import boto3  # noqa: PLC0415 - half a second, for those who have data there
    from botocore.exceptions import ClientError  # noqa: PLC0415

    parts = urlsplit(address, allow_fragments=False)
    bucket, key = parts.netloc, parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
    if not bucket:
        raise DataError(f"{address} names no bucket: s3://bucket/key")
    client = boto3.client(S3, endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None)
    if key and not key.endswith("/"):
        try:
            sha256, size, version = _of_object(client, bucket, key)
        except ClientError as error:
            # A role without the right to list is told 403 of what is not there.
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
        else:
            return Data(uri=address, kind=OBJECT, sha256=sha256, size=size, version=version)
        key += "/"
    files = [(name, _of_object(client, bucket, key + name)) for name in _keys_below(client, bucket, key)]
    if not files:
        raise DataError(f"{address} is not there: neither an object nor a prefix of some")
    return Data(
        uri=address,
        kind=PREFIX,
        sha256=_of_many((name, sha256) for name, (sha256, _, _) in files),
        size=sum(size for _, (_, size, _) in files),
    )


def _keys_below(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", ()):
            if not each["Key"].endswith("/"):  # a console's folder, of no bytes
                yield each["Key"][len(prefix) :]


def _of_object(client: Any, bucket: str, key: str) -> tuple[str, int, str]:
    """Return an object's digest, size and version; S3's own digest counts when it is of the whole object."""
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    version = head.get("VersionId", "")
    version = "" if version == "null" else version
    told = head.get("ChecksumSHA256", "")
    if told and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in told:
        return base64.b64decode(told).hex(), head["ContentLength"], version
    which = {"VersionId": version} if version else {"IfMatch": head["ETag"]}
    body = client.get_object(Bucket=bucket, Key=key, **which)["Body"]
    sha256, size = _of_chunks(body.iter_chunks(CHUNK_BYTES))
    return sha256, size, version
