"""The list of executions.  The search and the page's position are in the address."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlencode
from uuid import UUID

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.search import (
    HELP,
    STATUSES,
    BadSearch,
    as_filter,
    join_terms,
    parse_search,
    split_terms,
)
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import all_steps, read_steps
from minutehand.store import Json
from minutehand.store.json import loads, shown_text

#: Rows of a page.
ROWS = 50


async def executions(request: PageRequest) -> Page:
    """Show the executions that match the search, newest first."""
    text = " ".join(request.param("q").split())
    problem, terms, filters = "", {}, {}
    try:
        terms = parse_search(split_terms(text))
        filters = request.own_filter(as_filter(terms, request.now))
    except BadSearch as error:
        problem = str(error)
    before = _cursor(request.param("before"))
    result: Json = {"rows": [], "definitions": {}, "next": None, "looked_back_to": None}
    if not problem:
        key = ("search", text, tuple(before or ()), "hides_payloads" in filters)
        result = await request.query(key, lambda: request.store.search(filters, limit=ROWS, before=before))
    await request.build(add_step_types, result)
    return Page(
        "executions.html",
        {
            "q": text,
            "problem": problem,
            "rows": result["rows"],
            "searched_back_to": result["looked_back_to"],
            "next": f"/executions?{urlencode({'q': text, 'before': json.dumps(result['next'])})}"
            if result["next"]
            else "",
            "is_first": before is None,
            "tabs": _tabs(terms, text),
            "help": HELP,
            "exports": {format_: f"/executions.{format_}?{urlencode({'q': text})}" for format_ in ("csv", "jsonl")},
        },
        status=422 if problem else 200,
    )


def _tabs(terms: dict[str, object], text: str) -> list[dict[str, object]]:
    """Return one tab for each status, which keeps the other terms of the search."""
    others = [term for term in split_terms(text) if not term.lower().startswith("status:")] if terms or not text else []
    return [
        {
            "name": status or "all",
            "link": f"/executions?{urlencode({'q': join_terms([*others, *([f'status:{status}'] if status else [])])})}",
            "is_current": terms.get("status", "") == status,
        }
        for status in ("", *STATUSES)
    ]


def _cursor(text: str) -> list[str] | None:
    """Read where a page begins; an invalid cursor means the first page."""
    try:
        at, id_ = json.loads(text)
        return [datetime.fromisoformat(at).isoformat(), str(UUID(id_))]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def add_step_types(result: Json) -> None:
    """Add `step_types` to each row of a search."""
    by_version = {key: step_types(shown_text(definition)) for key, definition in result["definitions"].items()}
    for row in result["rows"]:
        row["step_types"] = by_version.get(f"{row['workflow_id']}:{row['workflow_version'] or 0}", [])


@lru_cache(maxsize=500)
def step_types(definition: str) -> list[str]:
    """Return the types of a workflow's steps in order, each once; empty if they cannot be read."""
    try:
        steps = read_steps(loads(definition))
    except BadStep:
        return []
    return list(dict.fromkeys(step.type for step in all_steps(steps)))
