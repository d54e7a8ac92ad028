"""Shows that no logged value is lost: seeded faults on the rehearsed stack, and a ledger that knows better."""
