"""The README says what is so: its picture, its settings."""

import ast
import re
from pathlib import Path

import yaml

from rehearsal.unrehearsed import STAND_INS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def boxes() -> dict[str, str]:
    """Class name to file of each box: what __main__.py imports and instantiates."""
    tree = ast.parse((ROOT / "infra" / "__main__.py").read_text())
    imported = {
        alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    source = {name: (ROOT / "infra" / f"{module}.py") for name, module in imported.items()}
    return {
        name: path.name
        for name, path in source.items()
        if name in called and path.exists() and f"class {name}(pulumi.ComponentResource)" in path.read_text()
    }


def test_picture_shows_every_box_and_no_other() -> None:
    picture = README.split("```mermaid")[1].split("```")[0]
    drawn = set(re.findall(r"^ +(?:subgraph )?([A-Z][A-Za-z]+)[ \[(]+[\w\"]", picture, re.MULTILINE))
    assert drawn == set(boxes())


def test_every_box_is_a_file_of_its_own_noun() -> None:
    for name, file in boxes().items():
        assert file == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() + ".py"


def row(key: str, entry: dict[str, object]) -> str:
    required = str(entry["description"]).startswith("Required")
    default = "required" if required else entry["default"]
    if isinstance(default, bool):
        default = str(default).lower()
    cell = default if default in ("required", "", []) else f"`{default}`"
    return f"| `{key}` | {entry['description']} | {cell or ''} |"


def test_readme_names_every_stand_in() -> None:
    table = "\n".join(f"| {what} | {instead} |" for what, instead in STAND_INS.items())
    assert table in README, f"README's table of stand-ins should be:\n{table}"


def test_every_setting_stands_in_the_readme_with_its_default() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    table = "\n".join(row(key, entry) for key, entry in config.items() if ":" not in key)
    assert table in README, f"README's table of settings should be:\n{table}"
