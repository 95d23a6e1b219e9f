"""Processes: the supervisor of several workers, liveness and systemd."""
