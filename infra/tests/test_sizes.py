import pytest

from sizes import FARGATE_MEMORY, LOG_RETENTION_DAYS


@pytest.mark.parametrize(
    ("cpu", "smallest", "largest", "count"),
    [
        (256, 512, 2048, 3),
        (512, 1024, 4096, 4),
        (1024, 2048, 8192, 7),
        (2048, 4096, 16384, 13),
        (4096, 8192, 30720, 23),
        (8192, 16384, 61440, 12),
        (16384, 32768, 122880, 12),
    ],
)
def test_fargate_memory_is_what_aws_lists(cpu: int, smallest: int, largest: int, count: int) -> None:
    memory = FARGATE_MEMORY[cpu]
    assert (min(memory), max(memory), len(memory)) == (smallest, largest, count)


def test_log_retention_rises_to_ten_years() -> None:
    assert sorted(set(LOG_RETENTION_DAYS)) == list(LOG_RETENTION_DAYS)
    assert LOG_RETENTION_DAYS[-1] == 3653
    assert 31 not in LOG_RETENTION_DAYS
