"""The HTTP API: the executor's endpoint, metrics, health, and its tokens."""
