"""HTTP: the guarded client, and what a response means."""
