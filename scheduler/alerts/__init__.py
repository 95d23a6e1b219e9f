"""Telling people: what is wrong (Apprise), and that a processor lives (a dead-man ping)."""
