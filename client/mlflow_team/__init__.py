"""Logs in to a team's MLflow tracking server with the IAM role that boto3 finds."""
