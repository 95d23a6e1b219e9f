"""Search words, `status:failed since:1d`: one grammar wherever executions are looked for."""

from __future__ import annotations

from typing import Any

import click

from scheduler.settings import SECONDS

STATUSES = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
WORDS = ("status", "code", "workflow", "entity", "since")


def parse_search(words: tuple[str, ...]) -> dict[str, Any]:
    """Return what the words ask for, `since` in seconds.  Errors: `click.UsageError`, which names the word.

    >>> parse_search(("status:failed", "since:1h"))
    {'status': 'failed', 'since': 3600.0}
    """
    asked: dict[str, Any] = {}
    for written in words:
        word, colon, value = written.partition(":")
        word = word.strip().lower()
        if not colon or word not in WORDS:
            raise click.UsageError(f"{written!r} is no search; write one of {', '.join(f'{w}:…' for w in WORDS)}")
        if not value.strip():
            raise click.UsageError(f"{written!r} lacks a value")
        if word in asked:
            raise click.UsageError(f"`{word}:` stands there twice; one of it can be asked for")
        asked[word] = _value(word, value.strip())
    return asked


def _value(word: str, value: str) -> Any:
    if word == "since":
        return SECONDS.convert(value, None, None)
    if word == "status" and value.lower() not in STATUSES:
        raise click.UsageError(f"`status:{value}` is no status; there are {', '.join(STATUSES)}")
    return value.lower() if word in ("status", "code") else value
