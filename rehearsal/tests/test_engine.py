import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal import engine
from rehearsal.deployment import DeploymentError
from rehearsal.engine import deploy
from rehearsal.project import Project
from rehearsal.tests.programs import BrokenCloud, RememberingCloud, write_project
from rehearsal.wire import UNKNOWN, Secret

pytestmark = pytest.mark.rehearsal

CALLER = """
import sys
from pathlib import Path
from rehearsal.engine import deploy
from rehearsal.project import Project
deploy(Project(Path(sys.argv[1])), "dev", {}, dry_run=True)
"""
BUCKET = 'bucket = aws.s3.Bucket("store", tags={"team": "vision"})\npulumi.export("arn", bucket.arn)\n'


def test_up_answers_with_what_the_cloud_describes(tmp_path: Path) -> None:
    cloud = RememberingCloud()
    deployment = deploy(write_project(tmp_path, BUCKET), "dev", {}, cloud=cloud)
    assert deployment.outputs == {"arn": "arn:of:store"}
    bucket = deployment.one("aws:s3/bucket:Bucket")
    assert bucket.id == "store-id"
    assert bucket.urn == "urn:pulumi:dev::tiny::aws:s3/bucket:Bucket::store"
    assert cloud.created == {"store": {"tags": {"team": "vision"}}}


def test_a_preview_makes_nothing_and_knows_only_the_inputs(tmp_path: Path) -> None:
    cloud = RememberingCloud()
    deployment = deploy(write_project(tmp_path, BUCKET), "dev", {}, cloud=cloud, dry_run=True)
    assert deployment.outputs == {"arn": UNKNOWN}
    assert deployment.one("aws:s3/bucket:Bucket").id == ""
    assert cloud.created == {}


def test_a_preview_asks_the_cloud_for_provider_functions(tmp_path: Path) -> None:
    program = 'pulumi.export("zones", aws.get_availability_zones_output(state="available").names)'
    deployment = deploy(write_project(tmp_path, program), "dev", {}, cloud=RememberingCloud(), dry_run=True)
    assert deployment.outputs == {"zones": ["first", "second"]}


def test_numbers_that_are_whole_arrive_whole(tmp_path: Path) -> None:
    cloud = RememberingCloud()
    deploy(write_project(tmp_path, 'aws.ec2.Eip("a", tags={"n": 3})'), "dev", {}, cloud=cloud)
    assert repr(cloud.created["a"]["tags"]["n"]) == "3"


def test_a_secret_reaches_the_cloud_and_no_output_in_the_open(tmp_path: Path) -> None:
    program = """
        secret = aws.ssm.Parameter("p", type="SecureString", value=config.require_secret("password"))
        pulumi.export("value", secret.value)
        pulumi.export("built", pulumi.Output.concat("x:", secret.value))
        pulumi.export("nested", {"deep": [secret.value]})
    """
    cloud = RememberingCloud()
    deployment = deploy(
        write_project(tmp_path, program), "dev", {"tiny:password": Secret("hunter2")}, cloud=cloud
    )
    assert cloud.created["p"]["value"] == "hunter2"
    parameter = deployment.one("aws:ssm/parameter:Parameter")
    assert ("value",) in parameter.secret_inputs
    assert parameter.outputs["value"] == Secret("hunter2")
    assert deployment.outputs["value"] == Secret("hunter2")
    assert "hunter2" not in repr(deployment)


def test_an_additional_secret_output_is_wrapped(tmp_path: Path) -> None:
    program = """
        options = pulumi.ResourceOptions(additional_secret_outputs=["arn"])
        pulumi.export("arn", aws.s3.Bucket("store", opts=options).arn)
    """
    deployment = deploy(write_project(tmp_path, program), "dev", {}, cloud=RememberingCloud())
    assert deployment.outputs["arn"] == Secret("arn:of:store")


def test_options_dependencies_and_parents_are_recorded(tmp_path: Path) -> None:
    program = """
        box = pulumi.ComponentResource("tiny:box:Box", "box")
        options = pulumi.ResourceOptions(
            parent=box, protect=True, retain_on_delete=True, ignore_changes=["tags"]
        )
        bucket = aws.s3.Bucket("store", opts=options)
        aws.s3.BucketVersioning("versions", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
    """
    deployment = deploy(write_project(tmp_path, program), "dev", {}, cloud=RememberingCloud())
    bucket = deployment.one("aws:s3/bucket:Bucket")
    assert bucket.parent == deployment.one("tiny:box:Box").urn
    assert bucket.urn == "urn:pulumi:dev::tiny::tiny:box:Box$aws:s3/bucket:Bucket::store"
    assert bucket.options.protect
    assert bucket.options.retain_on_delete
    assert bucket.options.ignore_changes == ("tags",)
    versioning = deployment.one("aws:s3/bucketVersioning:BucketVersioning")
    assert versioning.property_dependencies["bucket"] == {bucket.urn}
    assert versioning.dependencies == {bucket.urn}


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    program = 'aws.s3.Bucket("store")\naws.s3.Bucket("store")\n'
    with pytest.raises(DeploymentError, match=r"duplicate resource URN '.*::store'"):
        deploy(write_project(tmp_path, program), "dev", {}, cloud=RememberingCloud())


def test_a_resource_that_fails_names_itself_and_its_reason(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"^aws:s3/bucket:Bucket 'store': the cloud says no$"):
        deploy(write_project(tmp_path, BUCKET), "dev", {}, cloud=BrokenCloud())


def test_a_program_that_exits_keeps_its_text_and_code(tmp_path: Path) -> None:
    program = 'print("egress: received x, allowed nat", file=sys.stderr)\nsys.exit(2)\n'
    with pytest.raises(DeploymentError) as caught:
        deploy(write_project(tmp_path, program), "dev", {}, dry_run=True)
    assert str(caught.value) == "egress: received x, allowed nat"
    assert caught.value.exit_code == 2


def test_a_program_that_raises_shows_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="ZeroDivisionError") as caught:
        deploy(write_project(tmp_path, "1 / 0"), "dev", {}, dry_run=True)
    assert caught.value.exit_code == 1


def test_an_exception_in_an_apply_fails_the_deployment(tmp_path: Path) -> None:
    program = 'pulumi.export("x", aws.s3.Bucket("store").arn.apply(lambda arn: 1 / 0))'
    with pytest.raises(DeploymentError, match="division by zero"):
        deploy(write_project(tmp_path, program), "dev", {}, cloud=RememberingCloud())


def test_what_the_program_prints_is_passed_on(tmp_path: Path) -> None:
    lines: list[str] = []
    deploy(write_project(tmp_path, 'print("hello")'), "dev", {}, dry_run=True, log=lines.append)
    assert "hello" in lines


def test_keys_of_the_caller_stay_out_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    program = 'import os\npulumi.export("profile", os.environ.get("AWS_PROFILE", "none"))'
    assert deploy(write_project(tmp_path, program), "dev", {}, dry_run=True).outputs == {"profile": "none"}


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DEADLINE_SECONDS", 3.0)
    with pytest.raises(DeploymentError, match="did not end within 3 s"):
        deploy(write_project(tmp_path, "import time; time.sleep(60)"), "dev", {}, dry_run=True)


def test_a_wrong_setting_of_the_stack_is_shown_as_the_program_says_it() -> None:
    config = {"aws:region": "eu-west-1", "image": "x:1", "teams": {"vision": {"writers": ["*"]}}}
    with pytest.raises(DeploymentError) as caught:
        deploy(Project(Path(__file__).parents[2]), "dev", config, dry_run=True)
    assert caught.value.exit_code == 2
    assert "teams.vision.writers[0]" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_ctrl_c_leaves_no_child(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    program = f"""
        import os, pathlib, time
        pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))
        time.sleep(60)
    """
    write_project(tmp_path / "project", program)
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(tmp_path / "project")], stderr=subprocess.PIPE
    )
    try:
        child = _wait_for_pid(marker)
        caller.send_signal(signal.SIGINT)
        _, complaints = caller.communicate(timeout=10)
    finally:
        caller.kill()
    assert b"KeyboardInterrupt" in complaints
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def _wait_for_pid(marker: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if marker.exists() and (text := marker.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError(f"the program did not write {marker} within 20 s")
