"""What of AWS and Pulumi this machine does not show: what stands in their place, and what is refused."""

# Shown by `make rehearse` at its end, together with what depends on the declaration.
STAND_INS = {
    "Pulumi's engine and AWS provider": (
        "a small resource monitor and handlers of our own; no diff, replace, destroy, state, refresh"
    ),
    "ECS": "each container starts once, in order; no restarts, circuit breaker or second task",
    "container image": (
        "this checkout's code in plain processes; where Docker runs, make test builds, pulls and runs it"
    ),
    "Fargate": "then it is Docker: one network for the task, which reaches this machine's loopback, no VPC",
    "image build": "Docker's own, not the provider's BuildKit; what scans find is not known",
    "autoscaling": ("the emulator has none: checked against AWS's API model, kept in memory; nothing scales"),
    "the emulator's IAM": "we tell it what some requests are about: it would judge all parameters",
    "task and execution role": (
        "their trust is read by us, then the account's root takes them; the keys' endpoint is ours"
    ),
    "load balancer": "a proxy on loopback, made from the listeners; any TLS from 1.2, whatever SslPolicy",
    "ACM certificate": "a key of our own, for the same name",
    "RDS": "a Postgres of the same version; token, signature and rds-db:connect are checked by code of ours",
    "RDS-managed master password": "made by us in the emulated Secrets Manager; never rotated",
    "network": "security groups, routes, NAT and subnets are created, not enforced; public opens nothing",
    "service in an upgrade": "in make test only: we start and end its one task, and play Pulumi's part",
    "restore from a backup": (
        "in make test only: Postgres's own base backup and log, replayed to the time; RDS's speed is unknown"
    ),
    "what takes days": "backups, lifecycle rules, log retention, renewals: declared and compared, never run",
    "the emulator's lenience": (
        "dangling ids, broken documents and long parameters are found by us; a flow log's tags are added"
        " afterwards"
    ),
    "CORS list": "MLflow takes any origin on localhost; infra/tests tries a real domain's",
    "AWS itself": "quotas, eventual consistency, prices, and rights that the emulator judges otherwise",
}


class UnrehearsedError(RuntimeError):
    """The declaration asks for something that no stand-in does."""
