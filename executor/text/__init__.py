"""Texts that leave the process or are stored: which characters they may hold."""
