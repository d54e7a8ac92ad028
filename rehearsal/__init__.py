"""The whole stack on this machine: the declared resources in an AWS emulator, real Postgres, real MLflow."""
