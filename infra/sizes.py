"""Sizes that AWS offers: of Fargate's tasks and RDS's instances, and CloudWatch's retention times."""

GIB = 1024  # MiB

# CPU units to MiB of memory, as "Task size" in the Amazon ECS developer guide for Fargate lists them.
FARGATE_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1 * GIB, 2 * GIB),
    512: tuple(range(1 * GIB, 4 * GIB + 1, GIB)),
    1024: tuple(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: tuple(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: tuple(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: tuple(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: tuple(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}

# Days; the API reference of PutRetentionPolicy (CloudWatch Logs) lists them.
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)

# GiB by size, as "Hardware specifications for DB instance classes" in the Amazon RDS user guide lists them.
BURSTABLE = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
GENERAL = {
    "large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "12xlarge": 192, "16xlarge": 256,
}  # fmt: skip
DATABASE_FAMILIES = (
    dict.fromkeys(("t3", "t4g"), BURSTABLE)
    | dict.fromkeys(("m5", "m6g", "m6i", "m7g", "m7i", "m8g"), GENERAL)
    | {
        family: {size: 2 * memory for size, memory in GENERAL.items()}
        for family in ("r5", "r6g", "r6i", "r7g", "r7i", "r8g")
    }
)
DATABASE_MEMORY = {
    f"db.{family}.{size}": memory
    for family, sizes in DATABASE_FAMILIES.items()
    for size, memory in sizes.items()
}
