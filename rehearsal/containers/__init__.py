"""The rehearsal in Docker: the built image, run as the task definition says."""
