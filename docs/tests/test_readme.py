"""The README says what is so: its picture, its settings, its commands."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
# Who runs each command, and the words with which: `make test` cannot run itself.
RUN_BY = {
    "make check": (".ci/run", "make check"),
    "make help": ("docs/tests/test_readme.py", '"make", "help"'),
    "make rehearse": ("rehearsal/tests/test_rehearsal.py", '"make", "rehearse"'),
    "make test": (".ci/run", "make test"),
    "make up": ("rehearsal/tests/test_rehearsal.py", '"make", "up"'),
}


def commands(text: str, kind: str) -> list[str]:
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


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
    default = entry.get("default", "required")
    if isinstance(default, bool):
        default = str(default).lower()
    cell = default if default in ("required", "", []) else f"`{default}`"
    return f"| `{key}` | {entry['description']} | {cell or ''} |"


def test_every_setting_stands_in_the_readme_with_its_default() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    table = "\n".join(row(key, entry) for key, entry in config.items() if ":" not in key)
    assert table in README, f"README's table of settings should be:\n{table}"


def test_every_make_target_is_named_and_no_other() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README + CONTRIBUTING, re.MULTILINE))
    assert named == TARGETS


def test_help_lists_every_target() -> None:
    printed = subprocess.run(
        ["make", "help", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in printed.splitlines()} == TARGETS


@pytest.mark.parametrize("command", sorted({*commands(README, "sh"), *commands(CONTRIBUTING, "sh")}))
def test_every_command_is_run(command: str) -> None:
    file, words = RUN_BY[re.sub(r" K=\w+$", "", command)]
    assert words in (ROOT / file).read_text()


@pytest.mark.parametrize("command", sorted({*commands(README, "sh aws")}))
def test_every_aws_command_names_what_exists(command: str) -> None:
    """No AWS here: each is held against the file, the target or the option it names."""
    words = shlex.split(command.split(" > ", maxsplit=1)[0])
    if words[0] == "make":
        assert words[1] in TARGETS
    for word in words:
        if word.startswith(("scripts/", "smoke_tests", "Pulumi.example")):
            assert (ROOT / word).exists()
    if "scripts/onboard.py" in words:
        script = (ROOT / "scripts" / "onboard.py").read_text()
        assert all(f'"{option}"' in script for option in words if option.startswith("--"))
