"""Reads and writes bytes in a folder or below an s3:// address."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3


def join(root: str, name: str) -> str:
    """Return the address of something below the root."""
    return f"{root.rstrip('/')}/{name}"


def get(address: str) -> bytes:
    """Return what is there."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return boto3.client("s3").get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    return Path(address).read_bytes()


def put(content: bytes, root: str, name: str) -> str:
    """Write it below the root and return its address."""
    address = join(root, name)
    parts = urlsplit(address)
    if parts.scheme == "s3":
        boto3.client("s3").put_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"), Body=content)
    else:
        Path(root).mkdir(parents=True, exist_ok=True)
        Path(address).write_bytes(content)
    return address
