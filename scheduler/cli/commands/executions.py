"""`minutehand executions` (alias `logs`): list, show and change executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from minutehand.dashboard.presentation.search import STATUSES, BadSearch, as_filter, parse_search
from minutehand.dashboard.presentation.timeline import timeline
from minutehand.executor.text.display import json_text
from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.options import SECONDS, backend_options, output_option
from minutehand.scheduler.cli.output import format_value, print_json, print_rows
from minutehand.scheduler.cli.terminal import echo, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json, Store

COLUMNS = ("id", "created_at", "status", "workflow", "entity_id", "attempt", "code", "reason")


@click.group(
    "executions",
    short_help="List, show, retry, resolve, release and cancel executions.",
    epilog="Example: minutehand executions ls --status failed --since 1d",
)
def executions() -> None:
    """List, show and change executions."""


@executions.command("ls", epilog="Example: minutehand executions ls code:uncertain_send since:7d -o json")
@click.argument("search", metavar="[WORD:VALUE…]", nargs=-1)
@click.option("--status", type=click.Choice(STATUSES), help="Only this status.")
@click.option("--code", help="Only this code: no_recipient, rate_limited, uncertain_send, …")
@click.option("--workflow", help="Only this workflow: its name or id.")
@click.option("--entity", metavar="ID", help="Only this row.")
@click.option("--since", type=SECONDS, help="Only executions newer than: 30m, 1h, 7d.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Maximum number of executions."
)
@output_option("table", "json", "jsonl")
@backend_options
def ls(
    search: tuple[str, ...],
    status: str | None,
    code: str | None,
    workflow: str | None,
    entity: str | None,
    since: float | None,
    limit: int,
    output: str,
    backend: BackendSettings,
) -> None:
    """List executions, newest first.

    Search terms are `status:`, `workflow:`, `entity:`, `code:`, `error:`, `since:` and `until:`, as on the dashboard.
    """
    options = {"status": status, "code": code, "workflow": workflow, "entity": entity}
    requested: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if since is not None:
        requested["since"] = timedelta(seconds=since)
    try:
        filters = as_filter(requested | parse_search(search), datetime.now(UTC))
    except BadSearch as error:
        raise click.UsageError(str(error)) from None
    rows = ask_store(backend, lambda store: store.executions(filters, limit=limit))
    print_rows(rows, COLUMNS, output, empty="no executions" + (" match" if filters else " yet"))


@executions.command("show", epilog="Example: minutehand executions show 01a209d4")
@click.argument("execution_id", metavar="ID")
@output_option("table", "json")
@backend_options
def show(execution_id: str, output: str, backend: BackendSettings) -> None:
    """Show one execution with its timeline, steps and sends.  The beginning of its id is enough."""
    if output == "json":
        print_json(ask_store(backend, lambda store: store.execution(execution_id)))
    else:
        echo_text(as_text(ask_store(backend, lambda store: store.execution_detail(execution_id))))


@executions.command("retry", epilog="Example: minutehand executions retry 01a209d4-7bb0-7ef9-8b20-611149f2030b")
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@output_option("table", "json")
@backend_options
def retry(ids: tuple[str, ...], output: str, backend: BackendSettings) -> int:
    """Retry the failed steps of these executions; completed steps do not run again."""
    return _answered(ask_store(backend, lambda store: store.retry(list(ids), actor=cli_actor())), output)


@executions.command("cancel", epilog="Example: minutehand executions cancel 01a209d4-7bb0-7ef9-8b20-611149f2030b")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--flood", is_flag=True, help="All that are held as a flood.")
@click.option("--reason", help="Reason to store with the execution.")
@output_option("table", "json")
@backend_options
def cancel(ids: tuple[str, ...], flood: bool, reason: str | None, output: str, backend: BackendSettings) -> int:
    """Cancel pending or processing executions.  Messages that were sent stay sent."""
    if bool(ids) == flood:
        raise click.UsageError("give the ids of executions, or --flood")
    if ids:
        return _answered(
            ask_store(backend, lambda store: store.cancel(list(ids), reason=reason, actor=cli_actor())), output
        )
    cancelled = ask_store(backend, lambda store: _cancel_flood(store, reason))
    if output == "json":
        print_json({"cancelled": cancelled})
    else:
        echo(f"{cancelled} cancelled")
    return 0


@executions.command(
    "resolve", epilog="\b\nExample: minutehand executions resolve 01a209d4-7bb0-7ef9-8b20-611149f2030b --sent"
)
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@click.option("--sent", is_flag=True, help="The message arrived: complete the step.")
@click.option("--resend", is_flag=True, help="It did not arrive: send it again, with a new key.")
@click.option("--drop", is_flag=True, help="Mark it as not sent: the step fails.")
@output_option("table", "json")
@backend_options
def resolve(ids: tuple[str, ...], sent: bool, resend: bool, drop: bool, output: str, backend: BackendSettings) -> int:
    """Resolve unconfirmed sends (uncertain_send), so that their executions continue."""
    verdicts = [name for name, is_set in (("sent", sent), ("resend", resend), ("drop", drop)) if is_set]
    if len(verdicts) != 1:
        raise click.UsageError("give exactly one of --sent, --resend or --drop")
    return _answered(ask_store(backend, lambda store: store.resolve(list(ids), verdicts[0], actor=cli_actor())), output)


@executions.command("release", epilog="Example: minutehand executions release --stale")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option("--stale", is_flag=True, help="All that are held as stale.")
@click.option("--flood", is_flag=True, help="All that are held as a flood.")
@output_option("table", "json")
@backend_options
def release(ids: tuple[str, ...], stale: bool, flood: bool, output: str, backend: BackendSettings) -> int:
    """Run executions that are held: as stale, because no processor ran, or as a flood.

    A release raises the measure of the flood for 24 hours, so that nothing is held again at once.
    """
    if bool(ids) + stale + flood != 1:
        raise click.UsageError("give the ids of executions, --stale or --flood")
    if ids:
        return _answered(
            ask_store(backend, lambda store: store.release(list(ids), actor=cli_actor()))["answers"], output
        )
    released = ask_store(backend, _release_all if stale else _release_flood)
    if output == "json":
        print_json({"released": released})
    else:
        echo(f"{released} released: they are due now")
    return 0


async def _release_all(store: Store) -> int:
    released, more = 0, True
    while more:
        answer = await store.release(actor=cli_actor())
        released += answer["released"]
        more = answer["more"]
    return released


async def _release_flood(store: Store) -> int:
    released = 0
    async for ids in _flooded(store):
        released += (await store.release(ids, actor=cli_actor()))["released"]
    return released


async def _cancel_flood(store: Store, reason: str | None) -> int:
    cancelled = 0
    async for ids in _flooded(store):
        answers = await store.cancel(ids, reason=reason, actor=cli_actor())
        cancelled += sum(answer["answer"] == "cancelled" for answer in answers)
    return cancelled


async def _flooded(store: Store) -> AsyncIterator[list[str]]:
    """Return the ids of the executions that are held as a flood, in batches, newest first."""
    before: list[str] | None = None
    while True:
        page = await store.search({"status": "pending", "code": "flood"}, limit=1000, before=before)
        if ids := [row["id"] for row in page["rows"]]:
            yield ids
        before = page["next"]
        if before is None:
            return


def _answered(answers: list[Json], output: str) -> int:
    """Print one answer for each id; exit code 2 when any was refused."""
    print_rows(answers, ("id", "answer", "reason"), output, empty="no executions given")
    return 2 if any(answer["answer"] in ("refused", "missing") for answer in answers) else 0


def as_text(execution: Json) -> str:
    """Return one execution (`Store.execution_detail`) for a person."""
    lines = [f"{execution['workflow']} for {execution['entity_id'] or 'no row'}: {execution['status']}"]
    if execution["code"] or execution["reason"]:
        lines.append(f"  {execution['code'] or ''}: {execution['reason'] or ''}".rstrip(": "))
    for label, name in (("id", "id"), ("due", "scheduled_at"), ("caused by", "caused_by"), ("worker", "worker")):
        if execution[name] is not None:
            lines.append(f"  {label:<10} {format_value(execution[name])}")
    if execution.get("waits_for"):
        lines.append(f"  {'waits':<10} {execution['waits_for']}")
    lines.append(f"  {'attempt':<10} {execution['attempt']} of {execution['max_attempts'] or '-'}")
    lines.append(f"  {'trigger':<10} {json_text(execution['trigger_data'])}")
    for entry in timeline(execution, with_recipients=True):
        detail = f"  ({entry.detail})" if entry.detail else ""
        lines.append(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.text}{detail}")
    for step in execution["steps"]:
        why = f"  {step.get('code')}: {step.get('error')}" if step.get("error") else ""
        lines.append(f"  step {step.get('name') or step.get('stepId')}: {step.get('status')}{why}")
    for send in execution["sends"]:
        number = f" ({send['external_id']})" if send["external_id"] else ""
        lines.append(f"  {send['channel']} to {send['recipient']}: {send['status']}{number}")
    return joined(lines)
