"""The command line of this process, without the secrets in it."""

import re
import sys
from collections.abc import Sequence

MASK = "***"

SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase|code)?|pwd|secret|token|credentials?|auth|bearer|cookie|signature|webhook([-_]?url)?"
    r"|(api|access|private|secret|account|encryption|signing|auth|ssh)[-_]?key)$",
    re.IGNORECASE,
)
# How issuers mark their keys: AWS, GitHub, GitLab, Slack, OpenAI and the like, Hugging Face, JWT.
SECRET_VALUE = re.compile(
    r"\b((AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abpr]-[\w-]{10,}"
    r"|sk-[\w-]{20,}|hf_\w{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
# A password may hold @ and /, and what follows a host's name may be a port and hold an @ further on.
# No scheme is longer; unbounded, a long line without spaces would take seconds.
URL_LOGIN = re.compile(
    r"(?P<kept>\b[a-z][a-z0-9+.-]{0,40}://)([^/\s:@]*:(?!\d+(/|$))\S+|[^/\s]+)@", re.IGNORECASE
)
# Inside a word: a link's query, a header, JSON.
NAMED = re.compile(
    rf"""(?P<kept>{SECRET_NAME.pattern[:-1]}["']?\s*[=:]\s*["']?((bearer|basic)\s+)?)"""
    rf"""(?!//)[^\s&"',;}}]+""",
    re.IGNORECASE,
)
HEADER = re.compile(r"(?P<kept>\bauthorization\s*[:=]\s*).+", re.IGNORECASE)
WEBHOOK = re.compile(
    r"https://(hooks\.slack\.com|discord(app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com)/\S+"
)
PATTERNS = (
    (WEBHOOK, MASK), (URL_LOGIN, rf"\g<kept>{MASK}@"), (HEADER, rf"\g<kept>{MASK}"),
    (NAMED, rf"\g<kept>{MASK}"), (SECRET_VALUE, MASK),
)  # fmt: skip

# Of python's own options, those that take a value, which may be the next word.
WITH_VALUE = "WX"


def command() -> list[str]:
    """Return what followed `python` when this process began, masked; as a rule the script comes first."""
    words = [word.encode(errors="replace").decode() for word in sys.orig_argv[1:]]  # no half characters
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        word = words[position]
        if word.startswith("--"):
            position += 2 if word == "--check-hash-based-pycs" else 1
            continue
        for place, letter in enumerate(word[1:], start=2):
            if letter == "c":  # a program, not a file: nobody finds secrets in it for sure
                rest = words[position + (1 if word[place:] else 2) :]
                return [*words[:position], "-c", MASK, *masked(rest)]
            if letter == "m":
                return masked(words)
            if letter in WITH_VALUE:
                position += 0 if word[place:] else 1
                break
        position += 1
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
            found.append(without_secrets(word))
        hide_next = word.startswith("-") and not equals and bool(SECRET_NAME.search(word))
    return found


def without_secrets(word: str) -> str:
    """Return a text with the value of each secret in it replaced."""
    for pattern, instead in PATTERNS:
        word = pattern.sub(instead, word)
    return word
