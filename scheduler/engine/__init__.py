"""The engine: housekeeping, claims, lanes and settles; and the loops that run it."""
