"""The list of executions: what is asked for stands in the address, and the next page behind the last row."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlencode
from uuid import UUID

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.search import STATUSES, BadSearch, as_filter, joined, parse_search, split
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import all_steps, read_steps
from minutehand.store import Json

#: Rows of a page.
ROWS = 50


async def executions(request: PageRequest) -> Page:
    """Show the executions that the search means, newest first."""
    text = " ".join(request.param("q").split())
    problem, words = "", {}
    try:
        words = parse_search(split(text))
    except BadSearch as error:
        problem = str(error)
    before = _cursor(request.param("before"))
    found: Json = {"rows": [], "definitions": {}, "next": None, "looked_back_to": None}
    if not problem:
        filters = request.own_filter(as_filter(words, request.now))
        found = await request.query(
            ("search", text, tuple(before or ())), lambda: request.store.search(filters, limit=ROWS, before=before)
        )
    actions = {key: kinds(json.dumps(definition)) for key, definition in found["definitions"].items()}
    for row in found["rows"]:
        row["actions"] = actions.get(f"{row['workflow_id']}:{row['workflow_version'] or 0}", [])
    return Page(
        "executions.html",
        {
            "q": text,
            "problem": problem,
            "rows": found["rows"],
            "looked_back_to": found["looked_back_to"],
            "next": f"/executions?{urlencode({'q': text, 'before': json.dumps(found['next'])})}"
            if found["next"]
            else "",
            "is_first": before is None,
            "tabs": _tabs(words, text),
            "exports": {form: f"/executions.{form}?{urlencode({'q': text})}" for form in ("csv", "jsonl")},
        },
        status=422 if problem else 200,
    )


def _tabs(words: dict[str, object], text: str) -> list[dict[str, object]]:
    """Return one tab for each status, which keeps what else is asked for."""
    rest = [word for word in split(text) if not word.lower().startswith("status:")] if words or not text else []
    said = dict(word.split(":", 1) for word in rest if ":" in word)
    return [
        {
            "name": status or "all",
            "link": f"/executions?{urlencode({'q': joined(said | ({'status': status} if status else {}))})}",
            "on": words.get("status", "") == status,
        }
        for status in ("", *STATUSES)
    ]


def _cursor(text: str) -> list[str] | None:
    """Read where a page begins; what is no place is the beginning."""
    try:
        at, id_ = json.loads(text)
        return [datetime.fromisoformat(at).isoformat(), str(UUID(id_))]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


@lru_cache(maxsize=500)
def kinds(definition: str) -> list[str]:
    """Return the kinds of a workflow's steps, each once, in their order; nothing where they cannot be read."""
    try:
        steps = read_steps(json.loads(definition))
    except BadStep:
        return []
    return list(dict.fromkeys(step.type for step in all_steps(steps)))
