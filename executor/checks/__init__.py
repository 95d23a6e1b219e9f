"""Whether a workflow can run: the one verdict on it, and the checks of fields, services and executors that it asks."""
