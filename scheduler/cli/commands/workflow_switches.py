"""`minutehand workflows enable|disable|rm`: turn workflows on and off, and delete them."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import backend_options, executor_option, output_option, yes_option
from minutehand.scheduler.cli.output import counted, print_json
from minutehand.scheduler.cli.terminal import asks, confirm, echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store
from minutehand.store.records import DeleteResult, SwitchResult, WorkflowRow

_workflows = click.argument("workflows", metavar="WORKFLOW…", nargs=-1, required=True)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")


@click.command(
    "enable", short_help="Switch workflows on.", epilog="Example: minutehand workflows enable 'Thank the client'"
)
@_workflows
@_dry_run
@yes_option
@output_option("table", "json")
@executor_option
@backend_options
def enable(
    workflows: tuple[str, ...], dry_run: bool, yes: bool, output: str, executor: str, backend: BackendSettings
) -> None:
    """Switch WORKFLOW (its name or id) on: each of its switches that is off (is_active, enabled, status) is set.

    Changes that happened while it was off do not start it.  If one cannot be switched, none is.
    """
    _switch(workflows, True, dry_run=dry_run, yes=yes, output=output, executor=executor, backend=backend)


@click.command(
    "disable", short_help="Switch workflows off.", epilog="Example: minutehand workflows disable 'Thank the client'"
)
@_workflows
@_dry_run
@yes_option
@output_option("table", "json")
@executor_option
@backend_options
def disable(
    workflows: tuple[str, ...], dry_run: bool, yes: bool, output: str, executor: str, backend: BackendSettings
) -> None:
    """Switch WORKFLOW (its name or id) off, by the switches of the app's own row: is_active and enabled become false.

    Pending executions end as skipped (workflow_off) when they are due; `workflows pause` holds them instead.
    """
    _switch(workflows, False, dry_run=dry_run, yes=yes, output=output, executor=executor, backend=backend)


def _switch(
    workflows: tuple[str, ...],
    on: bool,
    *,
    dry_run: bool,
    yes: bool,
    output: str,
    executor: str,
    backend: BackendSettings,
) -> None:
    names = list(dict.fromkeys(workflows))

    async def switch(store: Store, dry: bool) -> list[tuple[SwitchResult, str | None]]:
        answers = await store.switch_workflows(names, on, dry_run=dry, actor=cli_actor())
        stands = {} if dry else {row["id"]: row for row in await store.workflows([one["id"] for one in answers])}
        return [(one, _obstacle(stands.get(one["id"]), executor)) for one in answers]

    if not (dry_run or yes) and asks():
        planned = ask_store(backend, lambda store: switch(store, True))
        if changing := [one for one, _ in planned if one["answer"] != "unchanged"]:
            for one in changing:
                echo(_switched(one), err=True)
            if not confirm(f"Switch {counted(len(changing), 'workflow')} {'on' if on else 'off'}?"):
                return echo("nothing was changed", err=True)
    answers = ask_store(backend, lambda store: switch(store, dry_run))
    if output == "json":
        return print_json([one for one, _ in answers])
    for one, obstacle in answers:
        echo(_switched(one) + (f"; but {obstacle}" if obstacle else ""))
    return None


def _obstacle(workflow: WorkflowRow | None, executor: str) -> str | None:
    """Say what keeps a workflow that is on from running."""
    from minutehand.executor.checks.workflow import diagnose

    if workflow is None or not workflow["on"]:
        return None
    errors = [finding.line for finding in diagnose(workflow, executor=executor).findings if finding.level == "error"]
    if workflow["paused"]:
        errors.append("it is paused; see: minutehand status")
    return errors[0] if errors else None


def _switched(one: SwitchResult) -> str:
    """Say what was done to a workflow."""
    if one["answer"] == "unchanged":
        return f"{one['name']} was already {'on' if one['on'] else 'off'}"
    changed = ", ".join(f"{name} = {_word(value)}" for name, value in one["changed"].items())
    text = f"{one['name']} {'would be ' if one['dry_run'] else ''}{one['answer']}: {changed}"
    if one["answer"] == "disabled" and one["pending"]:
        text += f"; {counted(one['pending'], 'pending execution')} will be skipped when due"
    return text


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command("rm", short_help="Delete workflows.", epilog="Example: minutehand workflows rm 'Thank the client'")
@_workflows
@_dry_run
@yes_option
@output_option("table", "json")
@backend_options
def rm(workflows: tuple[str, ...], dry_run: bool, yes: bool, output: str, backend: BackendSettings) -> None:
    """Delete WORKFLOW (its name or id).  Its pending and running executions are cancelled.

    Executions that ended stay, with the workflow's name, and so do its versions.  `workflows export` saves it first.
    """
    names = list(dict.fromkeys(workflows))
    if dry_run or (not yes and asks()):
        planned = ask_store(backend, lambda store: _planned(store, names))
        if dry_run:
            return _print_deleted(planned, output)
        for one in planned:
            echo(_deleted(one), err=True)
        if not confirm(f"Delete {counted(len(planned), 'workflow')}?"):
            return echo("nothing was changed", err=True)
    return _print_deleted(ask_store(backend, lambda store: _delete(store, names)), output)


async def _planned(store: Store, names: list[str]) -> list[DeleteResult]:
    return [await store.delete_workflow(name, dry_run=True) for name in names]


async def _delete(store: Store, names: list[str]) -> list[DeleteResult]:
    """Delete all of them; nothing is deleted if one is not found or cannot be deleted."""
    planned = await _planned(store, names)
    deleted = []
    for id_ in dict.fromkeys(one["id"] for one in planned):
        one = await store.delete_workflow(id_, actor=cli_actor())
        if one["is_more"]:
            one["cancelled"] += await _cancel_others(store, one)
        deleted.append(one)
    return deleted


async def _cancel_others(store: Store, deleted: DeleteResult) -> int:
    """Cancel what one call did not: the executions of a deleted workflow that are still pending."""
    cancelled, before, more = 0, None, True
    while more:
        page = await store.search({"status": "pending", "workflow": deleted["id"]}, limit=1000, before=before)
        ids = [row["id"] for row in page["rows"]]
        answers = await store.cancel(ids, reason=f'workflow "{deleted["name"]}" was deleted', actor=cli_actor())
        cancelled += sum(answer["answer"] == "cancelled" for answer in answers)
        before = page["next"]
        more = before is not None
    return cancelled


def _print_deleted(rows: list[DeleteResult], output: str) -> None:
    if output == "json":
        return print_json(rows)
    for one in rows:
        echo(_deleted(one))
    return None


def _deleted(one: DeleteResult) -> str:
    if one["dry_run"]:
        open_ = one["pending"] + one["running"]
        text = f"{one['name']} would be deleted: {counted(open_, 'execution')} would be cancelled"
    else:
        text = f"{one['name']} deleted: {counted(one['cancelled'], 'execution')} cancelled"
    text += f", {one['kept']} that ended stay"
    if one["pause_removed"]:
        text += "; its pause ends"
    for key in one["also"]:
        text += f"; rows of {key['table']} change, too ({key['constraint']}: on delete {key['action']})"
    return text
