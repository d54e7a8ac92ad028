"""Renders IAM documents out of names that AWS gives only when it makes the resources."""

import json
from collections.abc import Callable
from typing import Any

import pulumi

from policies import Document


def rendered(build: Callable[..., Document], *names: pulumi.Input[Any]) -> pulumi.Output[str]:
    """Return the JSON of `build(*names)`, as soon as the names are known."""
    return pulumi.Output.all(*names).apply(lambda known: json.dumps(build(*known)))
