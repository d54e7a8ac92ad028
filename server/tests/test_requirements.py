"""What ships is what is rehearsed: the image's packages are some of the checkout's, in their versions."""

import re
from pathlib import Path

from packaging.requirements import Requirement

SERVER = Path(__file__).parents[1]
HASH = r"\s--hash=sha256:[0-9a-f]{64}"


def locked(path: Path) -> dict[str, set[tuple[str, str, frozenset[str]]]]:
    """Each package's versions, with the Pythons each is for and its hashes."""
    text = path.read_text().replace("\\\n", "")
    found: dict[str, set[tuple[str, str, frozenset[str]]]] = {}
    for line in text.splitlines():
        requirement = Requirement(re.sub(HASH, "", line).strip())
        hashes = frozenset(re.findall(HASH, line))
        assert hashes, f"{path.name}: no hash for {requirement}"
        found.setdefault(requirement.name, set()).add(
            (str(requirement.specifier), str(requirement.marker), hashes)
        )
    return found


def names(path: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+", path.read_text(), re.MULTILINE))


LOCKED = locked(SERVER / "requirements.lock")
REHEARSED = locked(SERVER.parent / "requirements.lock")


def test_every_package_is_the_rehearsed_one_byte_for_byte() -> None:
    def files(versions: set[tuple[str, str, frozenset[str]]]) -> set[tuple[str, frozenset[str]]]:
        return {(version, hashes) for version, _, hashes in versions}

    assert LOCKED
    assert {
        name for name, versions in LOCKED.items() if not files(versions) <= files(REHEARSED[name])
    } == set()


def test_all_that_the_server_asks_for_is_locked() -> None:
    assert names(SERVER / "requirements.in") - LOCKED.keys() == set()


def test_nothing_excluded_is_locked_and_every_exclusion_excludes_something() -> None:
    excluded = names(SERVER / "requirements-excluded.in")
    assert excluded & LOCKED.keys() == set()
    assert excluded - REHEARSED.keys() == set()
