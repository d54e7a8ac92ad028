import pytest

from server.tracking_server.artifact_location import is_inside, refusal

ROOT = "s3://bucket"


@pytest.mark.parametrize(
    "uri", ["1", "1/run/artifacts", "experiment_a", "a b/c", "ä/x.y-z", "..a", "a..b/..."]
)
def test_what_lies_below_the_prefix_is_inside(uri: str) -> None:
    assert is_inside(ROOT, "vision", f"{ROOT}/workspaces/vision/{uri}")
    assert is_inside(f"{ROOT}/deep/er", "vision", f"{ROOT}/deep/er/workspaces/vision/{uri}")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        ".",
        "/",
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/workspaces",
        "s3://bucket/workspaces/",
        "s3://bucket/workspaces/vision",
        "s3://bucket/workspaces/vision/",
        "s3://bucket/workspaces/vision2/1",
        "s3://bucket/workspaces/visio/1",
        "s3://bucket/workspaces/VISION/1",
        "s3://bucket/workspaces/speech/1",
        "s3://bucket/1",
        "s3://bucket/workspaces/vision/../speech/1",
        "s3://bucket/workspaces/vision/1/../../speech/1",
        "s3://bucket/workspaces/vision/1/..",
        "s3://bucket/workspaces/vision/ ../speech",
        "s3://bucket/workspaces/vision/./1",
        "s3://bucket/workspaces/vision//1",
        "s3://bucket/workspaces/vision/1//x",
        "s3://bucket/workspaces/vision/1/",
        "s3://bucket/workspaces/vision/%2e%2e/speech/1",
        "s3://bucket/workspaces/vision/%252e%252e/speech/1",
        "s3://bucket/workspaces/vision/..%2fspeech/1",
        "s3://bucket/workspaces/vision/..\\speech/1",
        "s3://bucket/workspaces%2fvision/1",
        "s3://bucket/workspaces/vision/1?x=/../speech",
        "s3://bucket/workspaces/vision/1#x",
        "s3://bucket/workspaces/vision/1\n",
        "s3://bucket/workspaces/vision/1\x00",
        " s3://bucket/workspaces/vision/1",
        "s3://bucket//workspaces/vision/1",
        "s3://bucket/../workspaces/vision/1",
        "s3://bucket/./workspaces/vision/1",
        "s3://bucket/deep/workspaces/vision/1",
        "s3://bucket2/workspaces/vision/1",
        "s3://bucket@evil/workspaces/vision/1",
        "s3://evil/bucket/workspaces/vision/1",
        "s3://evil@bucket/workspaces/vision/1",
        "s3://BUCKET/workspaces/vision/1",
        "S3://bucket/workspaces/vision/1",
        "s3:/bucket/workspaces/vision/1",
        "s3a://bucket/workspaces/vision/1",
        "gs://bucket/workspaces/vision/1",
        "https://bucket.s3.amazonaws.com/workspaces/vision/1",
        "http://169.254.170.2/workspaces/vision/1",
        "file:///workspaces/vision/1",
        "/workspaces/vision/1",
        "workspaces/vision/1",
        "mlflow-artifacts:/workspaces/vision/1",
        "runs:/0123456789abcdef0123456789abcdef/x",
        "models:/m-1",
        "dbfs:/workspaces/vision/1",
        "s3+http://bucket/workspaces/vision/1",
    ],
)
def test_everything_else_is_outside(uri: str) -> None:
    assert not is_inside(ROOT, "vision", uri)


def test_without_a_workspace_nothing_is_inside() -> None:
    assert not is_inside(ROOT, "", "s3://bucket/workspaces//1")


def test_a_refusal_names_what_is_allowed() -> None:
    assert refusal(ROOT, "vision", "s3://x", "location") == (
        "location: received 's3://x', allowed is an address below s3://bucket/workspaces/vision/"
    )
