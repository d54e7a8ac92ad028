"""A message for Microsoft Teams' Workflows ("when a webhook request is received"), as an Adaptive Card.

Version 1.4 is what every client of Teams shows. A message may have 28 KB, by Microsoft's page on webhooks.
"""

from typing import Any

from .message import Message, escaped

LARGEST = 28 * 1024
MARKS = "\\`*_[]()~#>-+!|"  # Markdown's: a run's name is shown as it is


def body(message: Message) -> dict[str, Any]:
    """Write the message."""
    good = {"FINISHED": "good", "FAILED": "attention", "KILLED": "warning"}
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": escaped(message.title, MARKS),
                "weight": "bolder",
                "size": "medium",
                "wrap": True,
                "color": good.get(message.state, "default"),
            },
            {"type": "FactSet", "facts": [_fact(name, value) for name, value in message.facts]},
        ],
    }
    if message.metrics:
        facts = [_fact(metric.name, f"{metric.value} {metric.change}".rstrip()) for metric in message.metrics]
        if message.more_metrics:
            facts.append(_fact("and", f"{message.more_metrics} more metrics"))
        card["body"].append({"type": "FactSet", "separator": True, "facts": facts})
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the run", "url": message.link}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _fact(name: str, value: str) -> dict[str, str]:
    return {"title": escaped(name, MARKS), "value": escaped(value, MARKS)}
