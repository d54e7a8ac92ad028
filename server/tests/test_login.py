import pytest

from server.tests.logins import ACCOUNT, ADA, BAD, STRANGER, WRITER, World, play, rule
from server.tests.tokens import NOW, PLACE, token
from server.tracking_server.login import Request
from server.tracking_server.refusal import Refusal
from server.tracking_server.sts import UNAVAILABLE


def test_sts_is_asked_once_for_as_long_as_the_token_lives() -> None:
    async def steps(world: World) -> None:
        for _ in range(10):
            assert await world.come(token()) == ADA
        assert world.asked == 1
        world.now = NOW + 899
        assert await world.come(token()) == ADA
        world.now = NOW + 900
        assert rule(await world.come(token())) == "expired"
        assert world.asked == 1

    play(steps)


def test_a_token_with_a_shorter_life_is_not_remembered_longer() -> None:
    async def steps(world: World) -> None:
        assert await world.come(token(X_Amz_Expires="60")) == ADA
        world.now = NOW + 60
        assert rule(await world.come(token(X_Amz_Expires="60"))) == "expired"

    play(steps)


def test_no_login_is_told_how_to_log_in_and_a_browser_what_opens_it() -> None:
    async def steps(world: World) -> None:
        plain, browser = await world.come(None), await world.come(None, browser=True)
        assert isinstance(plain, Refusal)
        assert isinstance(browser, Refusal)
        assert (plain.status, browser.status) == (401, 401)
        assert "MLFLOW_TRACKING_AUTH=aws-role" in plain.message
        assert browser.message.endswith(": mlflow-team ui")
        assert world.asked == 0

    play(steps)


@pytest.mark.parametrize(
    "headers",
    [
        [""],
        ["Bearer"],
        ["Basic YWRhOng="],
        [token()],
        [f"bearer {token()}"],
        [f"Bearer {token()}", f"Bearer {token()}"],
        ["Bearer x", f"Bearer {token()}"],
    ],
)
def test_anything_but_one_bearer_token_is_none(headers: list[str]) -> None:
    async def steps(world: World) -> None:
        request = Request(authorization=headers, host="", address="", browser=False)
        caller, _ = await world.login.caller(request)
        assert rule(caller) == "no bearer token"

    play(steps)


def test_a_malformed_token_never_reaches_sts() -> None:
    async def steps(world: World) -> None:
        assert rule(await world.come(token(Action="AssumeRole"))) == "Action"
        assert world.asked == 0

    play(steps)


@pytest.mark.parametrize(
    "arn",
    [f"{ACCOUNT}:federated-user/ada", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/ada"],
)
def test_whoever_is_no_role_is_refused_and_remembered(arn: str) -> None:
    async def steps(world: World) -> None:
        world.answer = arn
        for _ in range(3):
            assert rule(await world.come(token())) == "no role"
        assert world.asked == 1

    play(steps)


def test_a_refused_token_is_asked_of_sts_once() -> None:
    async def steps(world: World) -> None:
        world.answer = BAD
        for _ in range(10):
            assert await world.come(token()) == BAD
        assert world.asked == 1

    play(steps)


def test_sts_that_does_not_answer_lets_nobody_in_and_is_asked_again() -> None:
    async def steps(world: World) -> None:
        world.answer = UNAVAILABLE
        assert await world.come(token()) == UNAVAILABLE
        world.answer = WRITER
        assert await world.come(token()) == ADA

    play(steps)


def test_a_role_that_is_taken_out_is_refused_though_its_token_is_remembered_and_let_in_again() -> None:
    async def steps(world: World) -> None:
        assert await world.come(token()) == ADA
        world.listed = False
        assert await world.come(token()) == STRANGER
        world.listed = True
        assert await world.come(token()) == ADA
        assert world.asked == 1

    play(steps)


def test_a_token_dated_after_not_before_and_shown_before_it_stays_out() -> None:
    async def steps(world: World) -> None:
        world.not_before = world.now + 60
        early = token(world.now + 120)
        assert await world.come(early) == STRANGER
        world.now += 180
        assert await world.come(early) == STRANGER
        assert await world.come(token(world.now)) == ADA

    play(steps)


def test_a_role_that_is_listed_later_comes_in_with_the_same_token_and_is_kept_with_the_teams() -> None:
    async def steps(world: World) -> None:
        world.listed = False
        assert await world.come(token()) == STRANGER
        assert (len(world.login._admitted), len(world.login._others)) == (0, 1)
        world.listed = True
        assert await world.come(token()) == ADA
        assert (len(world.login._admitted), len(world.login._others)) == (1, 0)

    play(steps)


def test_who_sts_names_is_told_for_the_log() -> None:
    async def steps(world: World) -> None:
        world.listed = False
        request = Request(authorization=[f"Bearer {token()}"], host="", address="", browser=False)
        _, identity = await world.login.caller(request)
        assert identity is not None
        assert (identity.role.name, identity.session) == ("vision-writer", "ada")

    play(steps)


def test_a_token_for_another_server_says_both_names_and_what_to_set() -> None:
    async def steps(world: World) -> None:
        world.answer = BAD
        refusal = await world.come(token(), host="localhost")
        assert isinstance(refusal, Refusal)
        assert refusal.rule == "server-id"
        assert "made for localhost, and this server is mlflow.example.com" in refusal.message
        assert refusal.message.endswith("export MLFLOW_TRACKING_URI=https://mlflow.example.com")
        assert await world.come(token(), host=PLACE.server_id) == BAD
        assert await world.come(token(), host="") == BAD

    play(steps)
