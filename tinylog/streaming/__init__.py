"""Scores -> alerts, while the log is still being written."""
