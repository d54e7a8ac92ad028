"""Asks the registry for the digest of the Dockerfile's base, and writes it behind the base's tag."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import DockerException

DOCKERFILE = Path(__file__).parent.parent / "server" / "Dockerfile"
PINNED, FAILED, BAD_INPUT = 0, 1, 2
BASE = re.compile(r"^(?P<line>ARG BASE=(?P<name>[^\s@]+))(?:@\S+)?$", re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Pin the base and return 0; 1 when the registry or Docker does not tell, 2 when there is no base."""
    parser = argparse.ArgumentParser(prog="pin_base.py", description=__doc__)
    parser.add_argument(
        "dockerfile", nargs="?", type=Path, default=DOCKERFILE, help="(default: server/Dockerfile)"
    )
    dockerfile: Path = parser.parse_args(arguments).dockerfile
    try:
        before = dockerfile.read_text(encoding="utf-8")
    except OSError as error:
        return _fail(f"{dockerfile}: {error.strerror}", BAD_INPUT)
    if not (base := BASE.search(before)):
        return _fail(f"{dockerfile}: received no line ARG BASE=<name>:<tag>, which names the base", BAD_INPUT)
    try:
        digest = digest_of(base["name"])
    except (DockerException, ValueError) as error:
        reason = getattr(error, "explanation", None) or error
        said = f"{dockerfile} stays as it was, for nobody tells the digest of {base['name']}: {reason}"
        return _fail(said, FAILED)
    after = BASE.sub(rf"\g<line>@{digest}", before)
    dockerfile.write_text(after, encoding="utf-8")
    print(f"pin-base: {base['name']} {'is' if after != before else 'already was'} {digest}")
    return PINNED


def digest_of(name: str) -> str:
    """Return the digest that the registry has for a name with its tag, of all its platforms together.

    Raises:
        DockerException: Docker or the registry did not answer, or has no such image.
        ValueError: the answer is no digest.
    """
    client = docker.from_env()
    try:
        digest = str(client.images.get_registry_data(name).id)
    finally:
        client.close()
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"received {digest!r} for it")
    return digest


def _fail(reason: str, code: int) -> int:
    print(f"pin-base: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
