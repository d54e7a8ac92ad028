"""Every command on the pages is run, or held against what AWS, Pulumi and this checkout know."""

import re
import shlex
import subprocess
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import Shape

import onboard
import upgrade
from docs.tests.markdown import fences, inline_code
from rehearsal.tests.test_readers_path import SECTIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
WAY_BACK = (ROOT / "docs" / "decisions" / "upgrade.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
KINDS = {"mermaid", "python", "sh", "sh aws"}
# Who runs each command, and the words with which: `make test` cannot run itself.
RUN_BY = {
    "make check": (".ci/run", "\nmake check\n"),
    "make rehearse": ("rehearsal/tests/test_rehearsal.py", '"make", "rehearse"'),
    "make test": (".ci/run", " make test\n"),
    "make up": ("rehearsal/tests/test_rehearsal.py", '"make", "up"'),
}
# https://www.pulumi.com/docs/iac/cli/commands/
PULUMI = (
    r"stack init \S+",
    r"stack --show-ids",
    r"stack output --json",
    r"stack output image",
    r"state unprotect --all",
    r"config set (--path )?\S+ \S+",
    r"preview",
    r"up",
    r"destroy",
)
# Session documents belong to AWS, not to its API; their parameters are in
# https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
SESSION_DOCUMENTS = {
    "AWS-StartPortForwardingSessionToRemoteHost": {"host", "portNumber", "localPortNumber"},
}


def commands(page: str, kind: str) -> set[str]:
    return {line for fence in fences(page) if fence.kind == kind for line in fence.lines}


def check_pulumi(command: str) -> None:
    assert any(re.fullmatch(f"pulumi {known}", command) for known in PULUMI), f"not pulumi's: {command}"


def check_aws(command: str) -> None:
    _, service, operation, *words = shlex.split(command)
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    called = model.operation_model(operations[operation])
    shape = called.input_shape
    members = {xform_name(name, "-"): member for name, member in shape.members.items()}
    required = {xform_name(name, "-") for name in shape.required_members}
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            given[word.removeprefix("--")] = []
        else:
            given[list(given)[-1]].append(word)
    if query := given.pop("query", None):
        check_query(called.output_shape, query)
    for option, values in given.items():
        if members.get(option.removeprefix("no-"), Shape("", {"type": ""})).type_name == "boolean":
            assert values == [], f"--{option} takes no value"
            continue
        assert values, f"--{option} needs a value"
        check_value(members[option], values, given.get("document-name", []))
    assert required <= set(given)


def check_query(shape: Shape, query: list[str]) -> None:
    (path,) = query
    for name in path.split("."):
        shape = shape.members[name.removesuffix("[]")]
        if name.endswith("[]"):
            shape = shape.member


def check_value(member: Shape, values: list[str], documents: list[str]) -> None:
    """Hold the `key=value,…` of the command line against what the API calls its keys."""
    if member.type_name not in ("list", "map"):
        assert len(values) == 1
        return
    if member.type_name == "list" and member.member.type_name == "string":
        return
    for value in values:
        pairs = dict(pair.split("=", 1) for pair in value.split(","))
        if member.type_name == "map":
            assert set(pairs) == SESSION_DOCUMENTS[documents[0]]
        else:
            keys = member.member.members
            assert set(pairs) <= set(keys)
            assert f"<code>{pairs['Key']}</code>" in keys["Key"].documentation


def check_make(command: str) -> None:
    _, target, *variables = shlex.split(command)
    assert target in TARGETS
    for variable in variables:
        name, _, words = variable.partition("=")
        assert name == "ARGS"
        OPTIONS[target](shlex.split(words))


def check_copy(command: str) -> None:
    _, source, _ = shlex.split(command)
    assert (ROOT / source).exists()


OPTIONS = {"upgrade": upgrade._options}
CHECKS = {"aws": check_aws, "cp": check_copy, "make": check_make, "pulumi": check_pulumi}


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    found = list(fences(page))
    assert {fence.kind for fence in found} <= KINDS
    assert {fence.section for fence in found if fence.kind == "python"} <= set(SECTIONS)
    assert page.count("```") == 2 * len(found)


def test_every_make_target_is_named_and_no_other() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README + CONTRIBUTING, re.MULTILINE))
    assert named == TARGETS


@pytest.mark.parametrize("command", sorted(commands(README, "sh") | commands(CONTRIBUTING, "sh")))
def test_every_command_is_run(command: str) -> None:
    command = re.sub(r" K=\w+$", "", command)
    if command == "make help":
        printed = subprocess.run(
            ["make", "help", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert {line.split()[1] for line in printed.splitlines()} == TARGETS
    else:
        file, words = RUN_BY[command]
        assert words in f"{(ROOT / file).read_text()}\n"


NOT_RUN = {
    line
    for fence in fences(README + WAY_BACK)
    if fence.kind == "sh aws" and fence.section not in SECTIONS
    for line in fence.lines
}


@pytest.mark.parametrize("command", sorted(NOT_RUN))
def test_every_command_that_needs_an_account_exists(command: str) -> None:
    CHECKS[command.split(maxsplit=1)[0]](command)


INLINE = sorted({part.strip() for code in inline_code(README + CONTRIBUTING) for part in code.split("&&")})


@pytest.mark.parametrize("command", [code for code in INLINE if code.split()[0] in ("aws", "pulumi")])
def test_every_command_in_the_prose_exists(command: str) -> None:
    CHECKS[command.split(maxsplit=1)[0]](command)


@pytest.mark.parametrize("option", [code for code in INLINE if code.startswith("--")])
def test_every_option_in_the_prose_is_onboardings_or_the_upgrades(option: str) -> None:
    words = shlex.split(option)
    try:
        onboard._options(["--team", "vision", *words])
    except SystemExit:
        upgrade._options(["--smoke-environment", "mlflow-vision.env", *words])
