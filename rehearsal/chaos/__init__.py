"""Shows that no logged value is lost: seeded faults on the rehearsed stack, a ledger beside each script."""
