"""Search terms such as `status:failed since:1d`: one grammar for the dashboard and `minutehand executions ls`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from minutehand.executor.durations import BadDuration, parse_duration

STATUSES = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
FIELDS = ("status", "workflow", "entity", "code", "error", "since", "until")
_LONGEST = timedelta(days=36_500)


class BadSearch(ValueError):
    """A search that cannot be read.  Its text names the term and says what to write."""


def parse_search(terms: Iterable[str]) -> dict[str, Any]:
    """Return the value of each field; `since` and `until` as a duration or a time.  Errors: `BadSearch`.

    >>> parse_search(("status:failed", "since:1h"))
    {'status': 'failed', 'since': datetime.timedelta(seconds=3600)}
    """
    values: dict[str, Any] = {}
    for term in terms:
        field, colon, value = term.partition(":")
        field = field.strip().lower()
        if not colon or field not in FIELDS:
            fields = ", ".join(f"{field}:" for field in FIELDS)
            raise BadSearch(f"Can't read {term!r}. Try status:failed. Fields: {fields}")
        if not value.strip():
            raise BadSearch(f"{term!r} has no value. Write it after the colon, as in status:failed")
        if field in values:
            raise BadSearch(f"`{field}:` is given twice. Use it once")
        values[field] = _value(field, value.strip())
    return values


def split_terms(text: str) -> list[str]:
    """Return the terms of a line; a value with spaces is quoted.  Errors: `BadSearch`.

    >>> split_terms('status:failed workflow:"Thank the client"')
    ['status:failed', 'workflow:Thank the client']
    """
    reader = shlex.shlex(text, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters, reader.escape, reader.quotes = True, "", "", '"'
    try:
        return list(reader)
    except ValueError:
        raise BadSearch('A quote is not closed. Write workflow:"Its name"') from None


def join_terms(values: dict[str, str]) -> str:
    """Return the line that `split_terms` and `parse_search` read back.

    >>> join_terms({"status": "failed", "workflow": "Thank the client"})
    'status:failed workflow:"Thank the client"'
    """
    return " ".join(
        f'{field}:"{value}"' if re.search(r"\s", value) else f"{field}:{value}"
        for field, value in ((field, str(value).replace('"', "")) for field, value in values.items())
        if value
    )


def as_filter(values: dict[str, Any], now: datetime) -> dict[str, str]:
    """Return the filter for the database (minutehand.matches_filter).  Durations become times before `now`."""
    return {
        field: (now - value).isoformat() if isinstance(value, timedelta) else str(value)
        for field, value in values.items()
    }


def _value(field: str, value: str) -> Any:
    if field in ("since", "until"):
        return _time(field, value)
    if field == "status" and value.lower() not in STATUSES:
        raise BadSearch(f"`status:{value}` is not a status. Use one of {', '.join(STATUSES)}")
    return value.lower() if field in ("status", "code") else value


def _time(field: str, value: str) -> timedelta | str:
    with suppress(BadDuration):
        seconds = parse_duration(value, default_unit="second")
        return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise BadSearch(f"`{field}:{value}` is not a time. Write 30m, 1h, 7d or 2026-03-01T10:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()
