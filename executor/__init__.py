"""The hands: runs exactly one execution and says how it ended (`execute(execution) -> Outcome`)."""
