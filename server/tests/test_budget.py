import pytest

from server.tracking_server import budget
from server.tracking_server.budget import OF_ALL, OF_AN_ADDRESS, SECONDS, Budget, address_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_fails_too_often_waits_and_the_others_do_not() -> None:
    counted = Budget(Clock())
    for _ in range(OF_AN_ADDRESS):
        assert not counted.spent("192.0.2.1")
        counted.failed("192.0.2.1")
    assert counted.spent("192.0.2.1")
    assert not counted.spent("192.0.2.2")


def test_it_waits_no_longer_than_the_minute_of_its_first_failure() -> None:
    clock = Clock()
    counted = Budget(clock)
    for _ in range(OF_AN_ADDRESS):
        counted.failed("192.0.2.1")
        clock.now += SECONDS / OF_AN_ADDRESS / 2
    assert counted.spent("192.0.2.1")
    clock.now = SECONDS
    assert not counted.spent("192.0.2.1")


def test_many_addresses_together_get_no_more_than_all_may_and_known_ones_are_let_through() -> None:
    counted = Budget(Clock())
    counted.succeeded("198.51.100.1")
    for number in range(OF_ALL):
        counted.failed(f"192.0.2.{number}")
    assert counted.spent("203.0.113.9")
    assert not counted.spent("198.51.100.1")
    for _ in range(OF_AN_ADDRESS):
        counted.failed("198.51.100.1")
    assert counted.spent("198.51.100.1")


def test_addresses_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_ADDRESSES", 10)
    counted = Budget(Clock())
    for number in range(100):
        counted.failed(f"192.0.2.{number}")
        counted.succeeded(f"192.0.2.{number}")
    assert len(counted._failures) == len(counted._known) == 10


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
