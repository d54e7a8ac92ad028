"""What was not committed, kept with the run if it is small and holds no secret."""

import tempfile
from pathlib import Path

from . import source_code
from .source_code import GitError

# A person reads a diff; what is larger is data, which belongs into track_input.
LARGEST_BYTES = 1024 * 1024
MOST_NEW_FILES = 200

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
    for line in diff.decode(errors="replace").splitlines():
        if line.startswith("diff --git "):
            files.append((line.rpartition(" b/")[2].strip('"'), []))
        elif files and line[:1] in ("+", "-", " ") and not line.startswith(("+++ ", "--- ")):
            files[-1][1].append(line[1:])
    return files
