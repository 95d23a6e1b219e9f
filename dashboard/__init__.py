"""The dashboard: what an operator sees and may do, and the HTTP API.  `minutehand serve`."""
