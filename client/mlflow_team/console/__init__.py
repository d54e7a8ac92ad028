"""What a run's script prints, kept as one of its artifacts."""
