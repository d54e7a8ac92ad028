import pytest

from server.tracking_server import budget
from server.tracking_server.budget import (
    OF_A_KEY,
    OF_ALL,
    OF_AN_ADDRESS,
    OF_EVERYBODY,
    SECONDS,
    Budget,
    address_of,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(counted: Budget, address: str, times: int) -> None:
    """Let each failure be another key's."""
    for number in range(times):
        assert not counted.spent((address, f"bad{number}"))
        counted.failed((address, f"bad{number}"))


def test_an_address_that_fails_too_often_waits_and_the_others_do_not() -> None:
    counted = Budget(Clock())
    fail(counted, "192.0.2.1", OF_AN_ADDRESS)
    assert counted.spent(("192.0.2.1", "new"))
    assert not counted.spent(("192.0.2.2", "new"))


def test_it_waits_no_longer_than_the_minute_of_its_first_failure() -> None:
    clock = Clock()
    counted = Budget(clock)
    for number in range(OF_AN_ADDRESS):
        counted.failed(("192.0.2.1", str(number)))
        clock.now += SECONDS / OF_AN_ADDRESS / 2
    assert counted.spent(("192.0.2.1", "new"))
    clock.now = SECONDS
    assert not counted.spent(("192.0.2.1", "new"))


def test_a_key_that_fails_again_and_again_leaves_its_address_to_the_others() -> None:
    counted = Budget(Clock())
    for _ in range(10 * OF_AN_ADDRESS):
        if not counted.spent(("192.0.2.1", "ended")):
            counted.failed(("192.0.2.1", "ended"))
    assert counted.spent(("192.0.2.1", "ended"))
    assert counted._addresses["192.0.2.1"] == [OF_A_KEY]
    assert not counted.spent(("192.0.2.1", "new"))


def test_a_known_key_renews_its_login_behind_the_address_of_a_flood_and_nobody_elses() -> None:
    counted = Budget(Clock())
    counted.succeeded(("192.0.2.1", "ours"))
    fail(counted, "192.0.2.1", OF_AN_ADDRESS)
    assert not counted.spent(("192.0.2.1", "ours"))
    assert counted.spent(("192.0.2.1", "new"))
    fail(counted, "203.0.113.9", OF_AN_ADDRESS)
    assert counted.spent(("203.0.113.9", "ours"))


def test_a_known_key_that_fails_is_borne_for_longer_and_costs_its_neighbours_nothing() -> None:
    counted = Budget(Clock())
    counted.succeeded(("192.0.2.1", "ours"))
    for _ in range(OF_AN_ADDRESS):
        assert not counted.spent(("192.0.2.1", "ours"))
        counted.failed(("192.0.2.1", "ours"))
    assert counted.spent(("192.0.2.1", "ours"))
    assert not counted.spent(("192.0.2.1", "new"))


def test_what_is_no_keys_fault_does_not_count_as_its() -> None:
    counted = Budget(Clock())
    for _ in range(OF_A_KEY):
        counted.failed(("192.0.2.1", "ours"), by_key=False)
    assert not counted.spent(("192.0.2.1", "ours"))


def test_a_few_addresses_get_no_more_than_all_may_and_shut_nobody_else_out() -> None:
    counted = Budget(Clock())
    for number in range(OF_ALL // OF_AN_ADDRESS):
        fail(counted, f"192.0.2.{number}", OF_AN_ADDRESS)
    assert not counted.spent(("203.0.113.9", "new"))
    counted.failed(("203.0.113.9", "bad"))
    assert counted.spent(("203.0.113.9", "new"))


def test_many_addresses_together_get_no_more_than_everybody_may_and_known_ones_are_let_through() -> None:
    counted = Budget(Clock())
    counted.succeeded(("198.51.100.1", "ours"))
    for number in range(OF_EVERYBODY):
        counted.failed((f"192.0.{number // 256}.{number % 256}", "bad"))
    assert counted.spent(("203.0.113.9", "new"))
    assert not counted.spent(("198.51.100.1", "new"))
    fail(counted, "198.51.100.1", OF_AN_ADDRESS)
    assert counted.spent(("198.51.100.1", "new"))


def test_neither_addresses_nor_keys_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST", 10)
    counted = Budget(Clock())
    for number in range(100):
        counted.failed((f"192.0.2.{number}", "key"))
        counted.succeeded((f"192.0.2.{number}", "key"))
    kept = (counted._addresses, counted._keys, counted._known, counted._known_keys)
    assert {len(one) for one in kept} == {10}


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([], "10.0.0.1"),
        ([b"192.0.2.1"], "192.0.2.1"),
        ([b"198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        ([b"198.51.100.9,192.0.2.1"], "192.0.2.1"),
        ([b"198.51.100.9", b"192.0.2.1"], "192.0.2.1"),
        ([b"2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ([b"2001:db8:1:2:ffff::"], "2001:db8:1:2::/64"),
        ([b'evil"\xff'], "10.0.0.1"),
        ([b"192.0.2.1,"], "10.0.0.1"),
    ],
)
def test_the_address_is_the_one_that_the_load_balancer_saw(forwarded: list[bytes], address: str) -> None:
    assert address_of(forwarded, "10.0.0.1") == address
