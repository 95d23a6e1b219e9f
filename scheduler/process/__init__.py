"""Processes: how one ends, how it reports its liveness, and the supervisor of several workers."""
