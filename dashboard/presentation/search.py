"""Search words, `status:failed since:1d`: one grammar wherever executions are looked for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

STATUSES = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
WORDS = ("status", "workflow", "entity", "code", "error", "since", "until")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=36_500)


class BadSearch(ValueError):
    """A search that cannot be read; its text says which word, and what could stand there."""


def parse_search(words: Iterable[str]) -> dict[str, Any]:
    """Return what the words ask for; `since` and `until` as a length of time or an instant.  Errors: `BadSearch`.

    >>> parse_search(("status:failed", "since:1h"))
    {'status': 'failed', 'since': datetime.timedelta(seconds=3600)}
    """
    asked: dict[str, Any] = {}
    for written in words:
        word, colon, value = written.partition(":")
        word = word.strip().lower()
        if not colon or word not in WORDS:
            raise BadSearch(f"{written!r} is no search; write one of {', '.join(f'{w}:…' for w in WORDS)}")
        if not value.strip():
            raise BadSearch(f"{written!r} lacks a value")
        if word in asked:
            raise BadSearch(f"`{word}:` stands there twice; one of it can be asked for")
        asked[word] = _value(word, value.strip())
    return asked


def split(text: str) -> list[str]:
    """Return the words of one line; a value with spaces stands in quotes.  Errors: `BadSearch`.

    >>> split('status:failed workflow:"Thank the client"')
    ['status:failed', 'workflow:Thank the client']
    """
    reader = shlex.shlex(text, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters, reader.escape, reader.quotes = True, "", "", '"'
    try:
        return list(reader)
    except ValueError:
        raise BadSearch('a quote is open: write workflow:"Its name"') from None


def joined(asked: dict[str, str]) -> str:
    """Return the line that asks for this: the other way round.

    >>> joined({"status": "failed", "workflow": "Thank the client"})
    'status:failed workflow:"Thank the client"'
    """
    return " ".join(
        f'{word}:"{value}"' if re.search(r"\s", value) else f"{word}:{value}"
        for word, value in ((word, str(value).replace('"', "")) for word, value in asked.items())
        if value
    )


def as_filter(asked: dict[str, Any], now: datetime) -> dict[str, str]:
    """Return what the database is asked (minutehand.matches_filter): times as instants, counted from `now`."""
    return {
        word: (now - value).isoformat() if isinstance(value, timedelta) else str(value) for word, value in asked.items()
    }


def _value(word: str, value: str) -> Any:
    if word in ("since", "until"):
        return _time(word, value)
    if word == "status" and value.lower() not in STATUSES:
        raise BadSearch(f"`status:{value}` is no status; there are {', '.join(STATUSES)}")
    return value.lower() if word in ("status", "code") else value


def _time(word: str, value: str) -> timedelta | str:
    if (match := _LENGTH.fullmatch(value.lower())) is not None:
        return min(timedelta(seconds=min(float(match[1]) * _SECONDS[match[2]], _LONGEST.total_seconds())), _LONGEST)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise BadSearch(f"`{word}:{value}` is no time; write 30m, 1h, 7d or 2026-03-01T10:00Z") from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()
