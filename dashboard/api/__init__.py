"""The HTTP API: the executor endpoint, metrics, error responses and tokens."""
