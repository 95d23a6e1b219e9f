"""The workflows: their summary, state and problems; for one, also lint, a dry run, recent executions and versions."""

from __future__ import annotations

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.pages.executions import add_step_types
from minutehand.dashboard.pages.workflow_summary import summarize
from minutehand.dashboard.presentation.version_diff import with_changes
from minutehand.executor.checks.workflow import diagnose, with_verdict
from minutehand.store import Json
from minutehand.store.errors import BadRequest, NotFound


async def workflows(request: PageRequest) -> Page:
    """Show all workflows that the user may see."""
    rows = await request.query("workflows", lambda: request.store.workflows(brief=True))
    tables = await request.query("triggers", request.store.triggers)
    executor = request.dashboard.services.executor
    visible = [row for row in rows if request.user.sees(_tenant(row))]
    cards = await request.build(lambda: [_with_state(row, tables, executor) for row in visible])
    return Page("workflows.html", {"workflows": cards, "tables": tables})


async def workflow(request: PageRequest) -> Page:
    """Show one workflow; with the dry run, if the address names a row."""
    id_ = request.http.path_params["id"]
    row: Json = await request.query(("workflow", id_), lambda: request.store.workflow(id_, tenant=request.user.tenant))
    tables = await request.query("triggers", request.store.triggers)
    versions: list[Json] = await request.query(("versions", id_), lambda: request.store.workflow_versions(row["id"]))
    recent: Json = await request.query(
        ("recent", id_), lambda: request.store.search(request.own_filter({"workflow": row["id"]}), limit=10)
    )
    await request.build(add_step_types, recent)
    services = request.dashboard.services
    row_id = request.param("row").strip()
    dry_run: Json | None = None
    problem = ""
    if row_id and request.user.may("payloads"):
        try:
            dry_run = await request.query(("dry run", id_, row_id), lambda: services.dry_run(row["id"], row_id))
        except (BadRequest, NotFound) as error:
            # A row that is another tenant's has the answer of one that is not there.
            problem = str(error) if request.user.tenant is None else f"row {row_id} cannot be used here"
    return Page(
        "workflow.html",
        {
            "workflow": await request.build(_with_state, row, tables, services.executor),
            "findings": await request.query(("lint", id_), lambda: services.lint(row["id"])),
            "versions": await request.build(with_changes, versions),
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
