"""The workflows: their summary, state and problems; for one, also lint, a dry run, recent executions and versions."""

from __future__ import annotations

import difflib

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.pages.executions import add_step_types
from minutehand.dashboard.pages.workflow_summary import summarize
from minutehand.executor.text.display import json_text
from minutehand.executor.workflow_check import diagnose, with_verdict
from minutehand.store import Json
from minutehand.store.errors import BadRequest, NotFound

#: Lines of a difference between two versions.
MAX_DIFF_LINES = 400


async def workflows(request: PageRequest) -> Page:
    """Show all workflows that the user may see."""
    rows = await request.query("workflows", lambda: request.store.workflows())
    tables = await request.query("triggers", request.store.triggers)
    executor = request.dashboard.services.executor
    visible = [_with_state(row, tables, executor) for row in rows if request.user.sees(_tenant(row))]
    return Page("workflows.html", {"workflows": visible, "tables": tables})


async def workflow(request: PageRequest) -> Page:
    """Show one workflow; with the dry run, if the address names a row."""
    id_ = request.http.path_params["id"]
    row: Json = await request.query(("workflow", id_), lambda: request.store.workflow(id_))
    if not request.user.sees(_tenant(row)):
        raise NotFound(f"there is no workflow {id_!r}")
    tables = await request.query("triggers", request.store.triggers)
    versions: list[Json] = await request.query(("versions", id_), lambda: request.store.workflow_versions(id_))
    recent: Json = await request.query(
        ("recent", id_), lambda: request.store.search(request.own_filter({"workflow": row["id"]}), limit=10)
    )
    add_step_types(recent)
    row_id = request.param("row").strip()
    dry_run: Json | None = None
    problem = ""
    if row_id and request.user.may("payloads"):
        try:
            dry_run = await request.dashboard.services.dry_run(row["id"], row_id)
        except BadRequest as error:
            problem = str(error)
    return Page(
        "workflow.html",
        {
            "workflow": _with_state(row, tables, request.dashboard.services.executor),
            "findings": await request.dashboard.services.lint(row["id"]),
            "versions": with_changes(versions),
            "recent": recent["rows"],
            "row_id": row_id,
            "dry_run": dry_run,
            "dry_run_problem": problem,
            "webhook_secrets": (
                await request.dashboard.services.webhook_secrets(row) if request.user.may("secrets") else []
            ),
        },
    )


def _tenant(workflow: Json) -> str | None:
    tenant: str | None = workflow["organization_id"] or workflow["user_id"]
    return tenant


def _with_state(workflow: Json, tables: list[Json], executor: str) -> Json:
    verdict = with_verdict(workflow, diagnose(workflow, executor=executor))
    return verdict | {"summary": summarize(workflow, tables)}


def with_changes(versions: list[Json]) -> list[Json]:
    """Add to each version the lines that it changed of the one before it."""
    rows = []
    for number, version in enumerate(versions):
        older = versions[number + 1]["definition"] if number + 1 < len(versions) else None
        rows.append({**version, "changes": [] if older is None else _diff(older, version["definition"])})
    return rows


def _diff(old: Json, new: Json) -> list[Json]:
    before, after = (json_text(one, indent=2, sort_keys=True).split("\n") for one in (old, new))
    lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[3:]
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [{"kind": kinds.get(line[:1], "same"), "text": line} for line in lines[:MAX_DIFF_LINES]]
