"""Connections to the database: how many the tasks may open together, and how many the instance takes."""

from sizes import DATABASE_MEMORY, GIB

# Of one task at most, while it prepares the database or serves; the server counts its own, a test compares.
PER_TASK = 15
# While a deployment replaces the tasks, ECS runs as many new ones beside the old.
DEPLOYMENT_PERCENT = 200
# superuser_reserved_connections and rds.rds_superuser_reserved_connections, by RDS's default, as AWS says in
# https://repost.aws/knowledge-center/rds-postgresql-error-connection-slots; then RDS's own sessions and an
# operator's, and a task that migrates.
RESERVED = 3 + 2 + 6
# max_connections by RDS's default: LEAST({DBInstanceClassMemory/9531392}, 5000).
BYTES_EACH = 9_531_392
MOST = 5000
# DBInstanceClassMemory leaves out what the system and RDS itself use: a db.t4g.small with 2 GiB shows 181
# connections, as for 80 % of it, and larger classes more; of db.t4g.micro we know no figure.
USABLE_PERCENT = 70


def taken_by(instance_class: str) -> int:
    """Return how many connections an instance takes at least."""
    memory = DATABASE_MEMORY[instance_class] * GIB * 1024 * 1024
    return min(memory * USABLE_PERCENT // 100 // BYTES_EACH, MOST)


def needed_by(tasks: int) -> int:
    """Return how many connections must be there for a service of so many tasks, the reserve included."""
    return tasks * DEPLOYMENT_PERCENT // 100 * PER_TASK + RESERVED


def most_tasks(instance_class: str) -> int:
    """Return for how many tasks an instance takes enough."""
    return (taken_by(instance_class) - RESERVED) // (PER_TASK * DEPLOYMENT_PERCENT // 100)


def class_for(tasks: int, like: str) -> str:
    """Return the smallest class that takes enough, of the same family if that has one."""
    family = like.rpartition(".")[0]
    enough = [name for name in DATABASE_MEMORY if most_tasks(name) >= tasks]
    return min(enough, key=lambda name: (name.rpartition(".")[0] != family, DATABASE_MEMORY[name]))
