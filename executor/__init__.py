"""The executor: runs one execution and says how it ended (`execute(execution) -> Outcome`)."""
