"""What `mlflow-team` can do: one file for each of its commands."""
