"""The command line of this process, without the secrets in it."""

import re
import sys
from collections.abc import Sequence

MASK = "***"

SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|auth|webhook)$",
    re.IGNORECASE,
)
# How issuers mark their keys: AWS, GitHub, GitLab, Slack, OpenAI and the like, Hugging Face, JWT.
SECRET_VALUE = re.compile(
    r"\b((AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abpr]-[\w-]{10,}"
    r"|sk-[\w-]{20,}|hf_\w{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
URL_LOGIN = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
WEBHOOK = re.compile(
    r"https://(hooks\.slack\.com|discord(app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com)/\S+"
)


def command() -> list[str]:
    """Return what followed `python` when this process began, masked; as a rule the script comes first."""
    words = sys.orig_argv[1:]
    if "-c" in words[:2]:  # a program, not a file: nobody finds secrets in it for sure
        return ["-c", MASK]
    return masked(words)


def masked(words: Sequence[str]) -> list[str]:
    """Return the words with the value of each secret replaced."""
    found, hide_next = [], False
    for word in words:
        name, equals, value = word.partition("=")
        if hide_next and not word.startswith("--"):
            found.append(MASK)
        elif equals and SECRET_NAME.search(name):
            found.append(f"{name}={MASK if value else ''}")
        else:
            found.append(_without_values(word))
        hide_next = word.startswith("-") and not equals and bool(SECRET_NAME.search(word))
    return found


def _without_values(word: str) -> str:
    for pattern, instead in ((URL_LOGIN, rf"\g<scheme>{MASK}@"), (WEBHOOK, MASK), (SECRET_VALUE, MASK)):
        word = pattern.sub(instead, word)
    return word
