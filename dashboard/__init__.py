"""The window: what an operator sees and may press, and the one door for callers from outside.  `minutehand serve`."""
