"""What the server's image is built from: what Docker is sent, its tag, and what git says of it."""

import hashlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from docker.utils.build import exclude_paths

IGNORE_FILE = ".dockerignore"
TAG_DIGITS = 32  # hex; half of a SHA-256 still tells any two contents apart
GIT_SECONDS = 10


def sent_files(context: Path) -> list[str]:
    """Return the files and links of a build context that its .dockerignore leaves, relative to it, in order.

    The ignore file is sent too, but not copied into the image; folders count by what they hold.
    """
    ignore = context / IGNORE_FILE
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    left = exclude_paths(str(context), patterns)
    return sorted(
        name.replace(os.sep, "/")
        for name in left
        if name != IGNORE_FILE and (not (context / name).is_dir() or (context / name).is_symlink())
    )


def content_tag(context: Path, *, platform: str, arguments: Mapping[str, str]) -> str:
    """Return the image tag that stands for a build: each input that can change the image changes it.

    Names, bytes and executable bits count; owners, times and the rest of the mode depend on who checked out.
    A base that its own tag moves away from is not seen: name it by its digest.
    """
    build = {
        "files": [[name, *_described(context / name)] for name in sent_files(context)],
        "platform": platform,
        "arguments": dict(arguments),
    }
    return hashlib.sha256(json.dumps(build, sort_keys=True).encode()).hexdigest()[:TAG_DIGITS]


def git_labels(context: Path) -> dict[str, str]:
    """Return which commit the context is of (-dirty when it was changed since) and where that came from.

    What git does not know is left out; so is everything where there is no git, or no repository.
    """
    revision = _git(context, "rev-parse", "HEAD")
    if not revision:
        return {}
    changed = "-dirty" if _git(context, "status", "--porcelain", "--", ".") else ""
    labels = {"org.opencontainers.image.revision": f"{revision}{changed}"}
    if source := public_url(_git(context, "remote", "get-url", "origin")):
        labels["org.opencontainers.image.source"] = source
    return labels


def public_url(remote: str) -> str:
    """Return a remote's http(s) address without its user, maybe a token; nothing for other remotes."""
    if not re.match(r"https?://", remote):
        return ""
    parts = urlsplit(remote)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _described(file: Path) -> tuple[str, str]:
    """Return what kind of file it is and a hash of what it holds."""
    if file.is_symlink():
        return "link", str(file.readlink())
    kind = "program" if file.stat().st_mode & stat.S_IXUSR else "file"
    return kind, hashlib.sha256(file.read_bytes()).hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints, nothing when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
