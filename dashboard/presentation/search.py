"""The search of executions, such as `B-2 status:failed since:1d`: one grammar for dashboard and command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from minutehand.executor.durations import BadDuration, parse_duration
from minutehand.executor.text.near import near_words
from minutehand.store.secret_names import looks_secret

STATUSES = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
#: Field: what it finds.  docs/dashboard.md, the help of `executions ls` and of the page are made of it.
HELP = {
    "status": "pending, processing, completed, failed, skipped or cancelled; or uncertain: its send is not confirmed",
    "workflow": "its name, or the beginning of its id; also one that was deleted",
    "entity": "the id of the row",
    "table": "the table of the row",
    "tenant": "the organization or user that it belongs to",
    "recipient": "the e-mail address, phone number or other receiver that it sent to",
    "channel": "what it sent through: email, sms, webhook, ...",
    "step": "the id, name or type of a step that it came to",
    "code": "its code: no_recipient, rate_limited, ...",
    "error": "a part of its reason",
    "payload": "payload.client.id:C-7: a value of its trigger data, or of the row as it was then",
    "attempt": "how many attempts: 2, >2, <=3",
    "took": "how long it ran: >5s; took:5s is at least that",
    "due": "pending, and due: now, today, <1h, >1d",
    "since": "created since then: 30m, 1h, 7d, today, yesterday or 2026-03-01T10:00Z",
    "until": "created before then",
    "text": "the same as words without a field, where these have a colon",
}
FIELDS = tuple(HELP)
#: Words that are a field and its value together.
DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
#: Characters of a search at most.
MAX_LENGTH = 2000
#: What people write for a field, and its name.
_MEANT = {
    "row": "entity", "record": "entity", "to": "recipient", "email": "recipient", "phone": "recipient",
    "state": "status", "is": "status", "organization": "tenant", "org": "tenant", "user": "tenant", "name": "workflow",
    "reason": "error", "message": "error", "after": "since", "from": "since", "before": "until", "duration": "took",
    "attempts": "attempt", "via": "channel", "id": "text", "scheduled": "due", "data": "payload.",
}  # fmt: skip
_LONGEST = timedelta(days=36_500)
_FIELD = re.compile(r"\s*([A-Za-z][\w.\-]*)\s*:(?!//)(.*)", re.DOTALL)
_COMPARED = re.compile(r"(>=|<=|>|<|=|)\s*(.+)", re.DOTALL)
#: Characters that no text of the database has, or that begin none.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class BadSearch(ValueError):
    """A search that cannot be read.  Its text names the term and says what to write."""


@dataclass(frozen=True, slots=True)
class Day:
    """The beginning of a day in UTC: so many after today."""

    after_today: int

    def begin(self, now: datetime) -> datetime:
        """Return the time at which it begins."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today + timedelta(days=self.after_today)


def parse_search(terms: Iterable[str]) -> dict[str, Any]:
    """Return the value of each field; times as a duration, a `Day` or a time.  Errors: `BadSearch`.

    >>> parse_search(("status:failed", "since:1h", "B-2"))
    {'status': 'failed', 'since': datetime.timedelta(seconds=3600), 'text': 'B-2'}
    """
    listed = list(terms)
    if sum(map(len, listed)) > MAX_LENGTH:
        raise BadSearch(f"The search has more than {MAX_LENGTH:,} characters. Write less of it")
    values: dict[str, Any] = {}
    words: list[str] = []
    for term in listed:
        if _UNREADABLE.search(term):
            raise BadSearch(f"{_shown(term)} contains a control character. Type it again")
        match = _FIELD.fullmatch(term)
        if match is None and term.strip().lower() in ("today", "yesterday"):
            found = _day_of(term.strip().lower())
        elif match is None:
            words += term.split()
            continue
        else:
            found = _field(term, match[1], match[2].strip())
        if twice := [field for field in found if field in values]:
            raise BadSearch(f"`{twice[0]}:` is given twice. Use it once")
        values |= found
    if words:
        if "text" in values:
            raise BadSearch("`text:` is given beside other text. Use it once")
        values["text"] = " ".join(words)
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


def join_terms(terms: Iterable[str]) -> str:
    """Return the line that `split_terms` reads back.

    >>> join_terms(["status:failed", "workflow:Thank the client"])
    'status:failed workflow:"Thank the client"'
    """
    return " ".join(_quoted(term.replace('"', "")) for term in terms)


def as_filter(values: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return the filter for the database (minutehand.matches_filter).

    Durations become times before `now`; of `due:`, times after it.
    """
    filters: dict[str, str] = {}
    for field, value in values.items():
        if isinstance(value, Day):
            filters[field] = value.begin(now).isoformat()
        elif isinstance(value, timedelta):
            filters[field] = (now + value if field.startswith("due") else now - value).isoformat()
        else:
            filters[field] = str(value)
    return filters


def narrowed(filters: Mapping[str, Any], tenant: str | None, *, may_payloads: bool) -> dict[str, Any]:
    """Return the filter as a user may use it: of their tenant, and without what they may not see.  Errors: `BadSearch`.

    Another tenant has no executions for them.
    """
    own = dict(filters)
    if not may_payloads:
        for field in own:
            if field == "recipient" or field.startswith("payload."):
                raise BadSearch(f"`{field}:` needs the permission `payloads`, which this login does not have")
        if "text" in own:
            own["hides_payloads"] = "yes"
    if tenant is not None:
        if own.get("tenant", tenant) != tenant:
            own["ids"] = []
        own["tenant"] = tenant
    return own


def _field(term: str, written: str, value: str) -> dict[str, Any]:
    """Return what one term means."""
    name, dot, path = written.partition(".")
    field = name.lower()
    is_path = field == "payload" and bool(dot)
    if field not in FIELDS or bool(dot) != is_path or (field == "payload" and not is_path):
        raise BadSearch(_unknown(term, written))
    if not value:
        raise BadSearch(f"{_shown(term)} has no value. Write it after the colon, as in status:failed")
    if is_path:
        return _payload(term, path, value)
    if field in ("since", "until"):
        return {field: _time(field, value)}
    if field == "status":
        return _status(value)
    if field == "attempt":
        return _attempts(value)
    if field == "took":
        return _took(value)
    if field == "due":
        return _due(value)
    return {field: value.lower() if field in ("code", "channel") else value}


def _unknown(term: str, written: str) -> str:
    name = written.lower()
    near = [_MEANT[name]] if name in _MEANT else near_words(written, FIELDS)
    if name == "payload":
        near = ["payload.client.id"]
    elif name.partition(".")[0] in FIELDS and "." in name:
        near = [name.partition(".")[0]]
    if near:
        meant = " or ".join(f"`{field}:`" if not field.endswith(".") else f"`{field}client.id:`" for field in near)
        hint = f"did you mean {meant}?"
    else:
        hint = "Try status:failed."
    fields = ", ".join(f"{field}:" if field != "payload" else "payload.…:" for field in FIELDS)
    return f'Can\'t read {_shown(term)}: {hint} Fields: {fields}; a text with a colon is text:"…"'


def _status(value: str) -> dict[str, Any]:
    status = value.lower()
    if status == "uncertain":
        return {"status": "failed", "code": "uncertain_send"}
    if status not in STATUSES:
        near = near_words(status, STATUSES)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise BadSearch(f"`status:{value[:60]}` is not a status. {hint}Use one of {', '.join(STATUSES)}")
    return {"status": status}


def _payload(term: str, path: str, value: str) -> dict[str, Any]:
    if not all(path.split(".")):
        raise BadSearch(f"{_shown(term)} has an empty name in its path. Write payload.client.id:C-7")
    if looks_secret(path):
        raise BadSearch(f"{_shown('payload.' + path)} looks like a secret by its name. Secrets are not searched")
    return {f"payload.{path}": value}


def _attempts(value: str) -> dict[str, Any]:
    match = _COMPARED.fullmatch(value)
    if match is None or not re.fullmatch(r"[0-9]{1,6}", match[2]):
        raise BadSearch(f"`attempt:{value[:60]}` is not a number. Write attempt:2, attempt:>2 or attempt:<=3")
    sign, number = match[1], int(match[2])
    return {
        ">": {"attempt_from": number + 1}, ">=": {"attempt_from": number}, "<": {"attempt_until": number - 1},
        "<=": {"attempt_until": number},
    }.get(sign, {"attempt_from": number, "attempt_until": number})  # fmt: skip


def _took(value: str) -> dict[str, Any]:
    match = _COMPARED.fullmatch(value)
    try:
        if match is None:
            raise BadDuration
        seconds = parse_duration(match[2], default_unit="second")
    except BadDuration:
        raise BadSearch(f"`took:{value[:60]}` is not a duration. Write took:>5s or took:<1m") from None
    return {"took_until" if match[1].startswith("<") else "took_from": seconds}


def _due(value: str) -> dict[str, Any]:
    if value.lower() == "now":
        return {"due_until": timedelta(0)}
    if value.lower() in DAYS:
        day = DAYS[value.lower()]
        return {"due_from": Day(day), "due_until": Day(day + 1)}
    match = _COMPARED.fullmatch(value)
    try:
        if match is None:
            raise BadSearch
        return {"due_from" if match[1].startswith(">") else "due_until": _time("due", match[2])}
    except BadSearch:
        raise BadSearch(f"`due:{value[:60]}` is not a time. Write due:now, due:today, due:<1h or due:>1d") from None


def _day_of(word: str) -> dict[str, Any]:
    return {"since": Day(0)} if word == "today" else {"since": Day(-1), "until": Day(0)}


def _time(field: str, value: str) -> timedelta | Day | str:
    if value.lower() in DAYS:
        return Day(DAYS[value.lower()])
    with suppress(BadDuration):
        seconds = parse_duration(value, default_unit="second")
        return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise BadSearch(
            f"`{field}:{value[:60]}` is not a time. Write 30m, 1h, 7d, today or 2026-03-01T10:00Z"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def _shown(term: str) -> str:
    return repr(term if len(term) <= 80 else term[:79] + "…")


def _quoted(term: str) -> str:
    if not re.search(r"\s", term):
        return term
    match = _FIELD.fullmatch(term)
    return f'{match[1]}:"{match[2]}"' if match else f'"{term}"'
