"""MLflow's tracking server as this stack runs it: first `tracking_server.prepare`, then `tracking_server`."""
