"""Templates: a sandboxed subset of Jinja."""
