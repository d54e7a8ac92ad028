"""The AWS provider's part, played on an emulator: one module per service, one handler per resource type."""
