"""What was not committed, kept with the run if it is small and holds no secret."""

import base64
import os
import string
import tempfile
import zlib
from pathlib import Path

from . import source_code
from .arguments import SECRET_VALUE, WEBHOOK
from .source_code import GitError

# A person reads a diff; what is larger is data, which belongs into track_input.
LARGEST_BYTES = 1024 * 1024
MOST_NEW_FILES = 200
# A line of a large file makes a small diff, yet git reads the whole file while the script waits.
LARGEST_CHANGED_BYTES = 64 * 1024 * 1024

LENGTHS = string.ascii_uppercase + string.ascii_lowercase
STORED, NONE = "stored", "none"


class WithheldError(Exception):
    """The diff is not to be stored; the text says why, and holds nothing of it."""


def read(root: Path) -> bytes:
    """Return the diff of a working tree.

    Raises:
        WithheldError: it is too large, or git failed.
    """
    try:
        new = source_code.new_files(root)
        if apart := [name for name in new if name.endswith("/")] + source_code.changed_submodules(root):
            raise WithheldError(
                f"{', '.join(map(repr, apart[:5]))}: a checkout of its own, which this diff cannot hold:"
                " commit there, or name it in .gitignore"
            )
        changed = sum(_size(root / name) for name in source_code.changed_files(root))
        if changed > LARGEST_CHANGED_BYTES:
            raise WithheldError(
                f"{changed} bytes in changed files; at most {LARGEST_CHANGED_BYTES} are read: commit first"
            )
        size = sum((root / name).lstat().st_size for name in new)
        if len(new) > MOST_NEW_FILES or size > LARGEST_BYTES:
            raise WithheldError(
                f"{len(new)} new files of {size} bytes; at most {MOST_NEW_FILES} of {LARGEST_BYTES} are kept:"
                " commit them, or name them in .gitignore"
            )
        found = source_code.diff(root, new)
    except (GitError, OSError) as error:
        raise WithheldError(f"it could not be read: {type(error).__name__}") from None
    if len(found) > LARGEST_BYTES:
        raise WithheldError(f"{len(found)} bytes; at most {LARGEST_BYTES} are kept: commit first")
    return found


def _size(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0


def check(diff: bytes) -> None:
    """Make sure that no line which the diff holds looks like a secret.

    Raises:
        WithheldError: one does.
    """
    # Loaded here: it takes as long as the rest of a run's start.
    from detect_secrets.core.secrets_collection import SecretsCollection  # noqa: PLC0415
    from detect_secrets.settings import transient_settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="mlflow-team-") as folder:
        for path, lines in _by_file(diff):
            # Also in files that detect-secrets leaves out by their name, as pictures.
            if any(known.search(line) for line in lines for known in (SECRET_VALUE, WEBHOOK)):
                raise WithheldError(f"a key in {path}: take it out, or commit without it")
            # The real name counts: detectors tell a program from a configuration by it.
            copy = Path(folder) / Path(path).name
            copy.write_text("\n".join(lines), errors="replace")
            found = SecretsCollection()
            with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
                found.scan_file(str(copy))
            for _, secret in found:
                raise WithheldError(f"{secret.type} in {path}: take it out, or commit without it")


# Those that know a form. Entropy alone finds a secret in every digest and notebook.
DETECTORS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector",
    "CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector",
    "IbmCloudIamDetector", "JwtTokenDetector", "KeywordDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SoftlayerDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)  # fmt: skip


def _by_file(diff: bytes) -> list[tuple[str, list[str]]]:
    """Return for each file of a diff the lines that the diff shows of it: old ones leave with it too."""
    files: list[tuple[str, list[str]]] = []
    inside = False  # of a hunk: only there is a line that begins with --- a removed one
    packed: list[str] | None = None  # the lines of a binary part
    for line in diff.decode(errors="replace").split("\n"):
        if line.startswith("diff --git "):
            files.append((line.rpartition(" b/")[2].strip('"'), []))
            inside = False
        elif not inside and line.startswith(("literal ", "delta ")):
            packed = []
        elif packed is not None and line:
            packed.append(line)
        elif packed is not None:
            files[-1][1].extend(_unpacked(packed))
            packed = None
        elif line.startswith("@@ "):
            inside = True
        elif inside and line[:1] in ("+", "-", " "):
            files[-1][1].extend(_as_written(line[1:]))
    return files


def _as_written(line: str) -> list[str]:
    """Return a line, and what a person typed where it lies in JSON, as in a notebook's cell."""
    return [line, line.replace('\\"', '"').replace("\\n", "")] if '\\"' in line else [line]


def _unpacked(lines: list[str]) -> list[str]:
    """Return the text in a binary part: git takes UTF-16 for binary, too.

    A line is its length as a letter, then base 85: https://git-scm.com/docs/diff-format and git's base85.c.
    """
    parts = [base64.b85decode(line[1:])[: LENGTHS.index(line[0]) + 1] for line in lines]
    content = zlib.decompressobj().decompress(b"".join(parts), LARGEST_CHANGED_BYTES)
    return content.replace(b"\0", b"").decode("latin-1").split("\n")
