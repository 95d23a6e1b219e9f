"""The web dashboard and the HTTP API of `minutehand serve`."""
