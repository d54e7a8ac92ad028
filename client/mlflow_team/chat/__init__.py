"""Tells a chat how a run ended: Slack, Microsoft Teams, plain JSON, and all others that apprise knows."""
