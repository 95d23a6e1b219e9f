"""The workflows: each in a sentence, how it stands, and why it cannot fire; one with versions, lint, rehearsal."""

from __future__ import annotations

import difflib
import json

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.pages.executions import kinds
from minutehand.dashboard.pages.workflow_summary import sentence
from minutehand.store import Json
from minutehand.store.errors import BadRequest, NotFound


async def workflows(request: PageRequest) -> Page:
    """Show all of them."""
    cards = await request.query("workflows", lambda: request.store.workflows(facts=True))
    tables = await request.query("triggers", request.store.triggers)
    shown = [card for card in cards if _is_for(card, request)]
    return Page("workflows.html", {"cards": [_with_words(card, tables) for card in shown], "tables": tables})


async def workflow(request: PageRequest) -> Page:
    """Show one of them: what it does, why it cannot fire, its versions; and a rehearsal, when a row is named."""
    id_ = request.http.path_params["id"]
    card: Json = await request.query(("workflow", id_), lambda: request.store.workflow(id_))
    if not _is_for(card, request):
        raise NotFound(f"there is no workflow {id_!r}")
    tables = await request.query("triggers", request.store.triggers)
    versions: list[Json] = await request.query(("versions", id_), lambda: request.store.workflow_versions(id_))
    recent: Json = await request.query(
        ("recent", id_), lambda: request.store.search(request.own_filter({"workflow": card["id"]}), limit=10)
    )
    for row in recent["rows"]:
        row["actions"] = kinds(
            json.dumps(recent["definitions"].get(f"{row['workflow_id']}:{row['workflow_version'] or 0}"))
        )
    row = request.param("row").strip()
    rehearsal: Json | None = None
    problem = ""
    if row and request.user.may("payloads"):
        try:
            rehearsal = await request.dashboard.services.dry_run(card["id"], row)
        except BadRequest as error:
            problem = str(error)
    return Page(
        "workflow.html",
        {
            "it": _with_words(card, tables),
            "findings": await request.dashboard.services.lint(card["id"]),
            "versions": compared(versions),
            "recent": recent["rows"],
            "row": row,
            "rehearsal": rehearsal,
            "rehearsal_problem": problem,
        },
    )


def _is_for(card: Json, request: PageRequest) -> bool:
    tenant = request.user.tenant
    return tenant is None or tenant == (card["organization_id"] or card["user_id"])


def _with_words(card: Json, tables: list[Json]) -> Json:
    problem = card["problem"]
    if problem is None and card.get("heard") is False and card["trigger_type"] != "manual":
        problem = f"no watched table has changes of type {card['trigger_type']}"
    state = "off" if not card["on"] else "broken" if problem else "paused" if card["paused"] else "on"
    return {**card, "sentence": sentence(card, tables), "problem": problem, "state": state}


def compared(versions: list[Json]) -> list[Json]:
    """Return each version with what it changed of the one before it, as lines with their sign."""
    rows = []
    for number, version in enumerate(versions):
        older = versions[number + 1]["definition"] if number + 1 < len(versions) else None
        rows.append({**version, "changes": [] if older is None else _diff(older, version["definition"])})
    return rows


def _diff(old: Json, new: Json) -> list[Json]:
    before, after = (json.dumps(one, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for one in (old, new))
    lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[3:]
    signs = {"+": "added", "-": "removed", "@": "place"}
    return [{"kind": signs.get(line[:1], "same"), "text": line} for line in lines[:400]]
