"""A message for Slack's incoming webhooks, as blocks.

Limits by Slack's reference of blocks: 150 characters in a header, 3,000 in a section, 2,000 in each of
a section's 10 fields, 50 blocks.
"""

from typing import Any

from .message import Message

HEADER, SECTION, FIELD, FIELDS = 150, 3000, 2000, 10


def body(message: Message) -> dict[str, Any]:
    """Write the message."""
    facts = [_field(name, value) for name, value in message.facts]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:HEADER], "emoji": False}},
        {"type": "section", "fields": facts[:FIELDS]},
    ]
    if message.metrics:
        lines = [
            f"*{plain(metric.name)}* {metric.value} {metric.change}".rstrip() for metric in message.metrics
        ]
        if message.more_metrics:
            lines.append(f"and {message.more_metrics} more metrics")
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _lines(lines)}})
    if message.link:
        blocks.append(
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": f"<{plain(message.link)}|Open the run>"},
            }
        )
    return {"text": plain(message.title), "blocks": blocks}


def plain(text: str) -> str:
    """Keep a run's name from calling a whole channel: Slack's three characters of control."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _field(name: str, value: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": f"*{name}*\n{plain(value)}"[:FIELD]}


def _lines(lines: list[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if sum(len(each) + 1 for each in kept) + len(line) > SECTION:
            break
        kept.append(line)
    return "\n".join(kept)
