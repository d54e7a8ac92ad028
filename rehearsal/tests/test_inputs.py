import pytest

from rehearsal.aws.inputs import Inputs


def test_what_nobody_asks_for_is_unread_at_any_depth() -> None:
    inputs = Inputs({"a": 1, "b": None, "block": {"c": 2, "d": 3}, "list": [{"e": 4}, {"e": 5, "f": 6}]})
    assert inputs["a"] == 1
    assert inputs.block("block").get("c") == 2
    assert [block["e"] for block in inputs.blocks("list")] == [4, 5]
    assert sorted(inputs.unread()) == ["block[0].d", "list[1].f"]


def test_a_block_nobody_entered_is_unread() -> None:
    assert list(Inputs({"block": {"c": 2}}).unread()) == ["block"]


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"missing rules\[0\].status"):
        Inputs({"rules": [{}]}).blocks("rules")[0]["status"]


def test_taken_properties_bear_the_apis_names() -> None:
    inputs = Inputs({"vpcId": "vpc-1", "other": 1})
    assert inputs.take({"vpcId": "VpcId", "absent": "Absent"}) == {"VpcId": "vpc-1"}
    assert list(inputs.unread()) == ["other"]


def test_a_declared_name_is_kept_and_a_missing_one_is_made_new_each_time() -> None:
    assert Inputs({"name": "mine"}, name="logical").autoname() == "mine"
    names = {Inputs({}, name="logical").autoname() for _ in range(10)}
    assert len(names) == 10
    assert all(name.startswith("logical-") and len(name) == len("logical-") + 7 for name in names)
