"""Alerts: notifications of incidents to people, and heartbeat pings to an outside monitor."""
