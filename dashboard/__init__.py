"""The window: what an operator sees and may press.  It opens with `minutehand serve`, which is still to come."""
