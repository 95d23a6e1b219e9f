"""`minutehand executions` (alias `logs`): list, show and change executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from minutehand.dashboard.presentation.formatting import attempt_text, status_reason, step_notes
from minutehand.dashboard.presentation.search import HELP, STATUSES, BadSearch, as_filter, parse_search
from minutehand.dashboard.presentation.timeline import timeline
from minutehand.executor.text.display import json_text
from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.bulk import is_search, refuse_search_options, run_bulk
from minutehand.scheduler.cli.options import SECONDS, backend_options, output_option, yes_option
from minutehand.scheduler.cli.output import format_value, print_json, print_rows
from minutehand.scheduler.cli.terminal import echo, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json, Store
from minutehand.store.records import SearchRow

_LS_HELP = """List executions, newest first.

Words without a field find an execution's id or its beginning, a row, a recipient, a client's id, and workflows by a
part of their name, in either case.  A value with spaces is quoted.  `today` and `yesterday` are days in UTC.  As on
the dashboard:

\b
""" + "\n".join(
    f"{'payload.PATH:' if field == 'payload' else field + ':':<14}{meaning}" for field, meaning in HELP.items()
)
COLUMNS = ("id", "created_at", "status", "workflow", "entity_id", "attempt", "code", "reason")


@click.group(
    "executions",
    short_help="List, show, retry, resolve, release and cancel executions.",
    epilog="Example: minutehand executions ls --status failed --since 1d",
)
def executions() -> None:
    """List, show and change executions.  The beginning of an id is enough, if only one begins so."""


@executions.command(
    "ls",
    epilog="Example: minutehand executions ls code:uncertain_send since:7d -o json",
    help=_LS_HELP,
)
@click.argument("search", metavar="[TEXT|FIELD:VALUE…]", nargs=-1)
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
    options = {"status": status, "code": code, "workflow": workflow, "entity": entity}
    requested: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if since is not None:
        requested["since"] = timedelta(seconds=since)
    try:
        now = datetime.now(UTC)
        filters = as_filter(requested | parse_search(search), now)
    except BadSearch as error:
        raise click.UsageError(str(error)) from None
    page = ask_store(backend, lambda store: store.search(filters, limit=limit))
    rows, back_to = page["rows"], page["looked_back_to"]
    shown = rows if output != "table" else [{**row, "reason": _reason(row, now)} for row in rows]
    print_rows(shown, COLUMNS, output, empty="no executions" + (" match" if filters else " yet"))
    if back_to is not None and len(rows) < limit:
        older = "a narrower search, such as until:" if "until" not in filters else "an earlier until:"
        echo(f"searched back to {format_value(back_to)}; for what is older, {older}", err=True)


def _reason(row: SearchRow, now: datetime) -> str | None:
    """Say of a pending execution what it waits for, as the pages do; the code has a column of its own."""
    return status_reason({**row}, now) if row["status"] == "pending" else row["reason"]


@executions.command("show", epilog="Example: minutehand executions show 01a209d4")
@click.argument("execution_id", metavar="ID")
@output_option("table", "json")
@backend_options
def show(execution_id: str, output: str, backend: BackendSettings) -> None:
    """Show one execution with its timeline, steps and sends."""
    if output == "json":
        print_json(ask_store(backend, lambda store: store.execution(execution_id)))
    else:
        echo_text(as_text(ask_store(backend, lambda store: store.execution_detail(execution_id))))


_spread = click.option("--spread", type=SECONDS, default=0.0, metavar="DURATION",
                       help="Of a search: do it over this time, at most 1d; no receiver is flooded then.")  # fmt: skip
_dry_run = click.option("--dry-run", is_flag=True, help="Of a search: say how many match; change nothing.")


@executions.command("retry", epilog="Example: minutehand executions retry code:http_error since:2h --dry-run")
@click.argument("ids", metavar="ID…|SEARCH…", nargs=-1, required=True)
@_spread
@_dry_run
@yes_option
@output_option("table", "json")
@backend_options
def retry(ids: tuple[str, ...], spread: float, dry_run: bool, yes: bool, output: str, backend: BackendSettings) -> int:
    """Retry the failed steps of these executions; completed steps do not run again.

    Instead of ids, search terms as of `ls` mean all that match, at most 10,000.  Skipped executions are only retried
    if `status:skipped` or their code is named, and unconfirmed sends never.  Without --yes it asks first.
    """
    if is_search(ids):
        run_bulk("retry", ids, spread_seconds=spread, dry_run=dry_run, yes=yes, output=output, backend=backend)
        return 0
    refuse_search_options(spread, dry_run)
    return _answered(ask_store(backend, lambda store: store.retry(list(ids), actor=cli_actor())), output)


@executions.command("cancel", epilog="Example: minutehand executions cancel workflow:Welcome --dry-run")
@click.argument("ids", metavar="[ID…|SEARCH…]", nargs=-1)
@click.option("--flood", is_flag=True, help="All that are held as a flood.")
@click.option("--restored", is_flag=True, help="All that are held after a restore.")
@click.option("--reason", help="Reason to store with the execution; not with a search.")
@_spread
@_dry_run
@yes_option
@output_option("table", "json")
@backend_options
def cancel(
    ids: tuple[str, ...],
    flood: bool,
    restored: bool,
    reason: str | None,
    spread: float,
    dry_run: bool,
    yes: bool,
    output: str,
    backend: BackendSettings,
) -> int:
    """Cancel pending or processing executions.  Messages that were sent stay sent.

    Instead of ids, search terms as of `ls` mean all that match, at most 10,000; running ones only with
    `status:processing`.  Without --yes it counts them, and asks first.
    """
    if bool(ids) + flood + restored != 1:
        raise click.UsageError("give the ids of executions, search terms, --flood or --restored")
    if is_search(ids):
        if reason is not None:
            raise click.UsageError("--reason goes with ids; the reason of a search is who cancelled")
        run_bulk("cancel", ids, spread_seconds=spread, dry_run=dry_run, yes=yes, output=output, backend=backend)
        return 0
    refuse_search_options(spread, dry_run)
    if ids:
        return _answered(
            ask_store(backend, lambda store: store.cancel(list(ids), reason=reason, actor=cli_actor())), output
        )
    cancelled = ask_store(backend, lambda store: _cancel_held(store, "flood" if flood else "restored", reason))
    if output == "json":
        print_json({"cancelled": cancelled})
    else:
        echo(f"{cancelled} cancelled")
    return 0


@executions.command("resolve", epilog="Example: minutehand executions resolve 01a209d4 --sent")
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
@click.option("--restored", is_flag=True, help="All that are held after a restore.")
@output_option("table", "json")
@backend_options
def release(
    ids: tuple[str, ...], stale: bool, flood: bool, restored: bool, output: str, backend: BackendSettings
) -> int:
    """Run executions that are held: as stale, because no processor ran, as a flood, or after a restore.

    A release raises the measure of the flood for 24 hours, so that nothing is held again at once.
    """
    if bool(ids) + stale + flood + restored != 1:
        raise click.UsageError("give the ids of executions, --stale, --flood or --restored")
    if ids:
        return _answered(
            ask_store(backend, lambda store: store.release(list(ids), actor=cli_actor()))["answers"], output
        )
    code = "flood" if flood else "restored"
    released = ask_store(backend, _release_all if stale else lambda store: _release_held(store, code))
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


async def _release_held(store: Store, code: str) -> int:
    released = 0
    async for ids in _held(store, code):
        released += (await store.release(ids, actor=cli_actor()))["released"]
    return released


async def _cancel_held(store: Store, code: str, reason: str | None) -> int:
    cancelled = 0
    async for ids in _held(store, code):
        answers = await store.cancel(ids, reason=reason, actor=cli_actor())
        cancelled += sum(answer["answer"] == "cancelled" for answer in answers)
    return cancelled


async def _held(store: Store, code: str) -> AsyncIterator[list[str]]:
    """Return the ids of the executions that are held with this code, in batches, newest first."""
    before: list[str] | None = None
    while True:
        page = await store.search({"status": "pending", "code": code}, limit=1000, before=before)
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
    if attempt := attempt_text(execution):
        lines.append(f"  {'attempt':<10} {attempt}")
    lines.append(f"  {'trigger':<10} {json_text(execution['trigger_data'])}")
    for entry in timeline(execution, with_recipients=True):
        detail = f"  ({entry.detail})" if entry.detail else ""
        lines.append(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.text}{detail}")
    for step in execution["steps"]:
        why = ": ".join(filter(None, (step.get("code"), step.get("error") or step.get("reason"))))
        delivery = (step.get("result") or {}).get("delivery")
        how = (f", {delivery}" if delivery else "") + (f"  {why}" if why else "")
        lines.append(f"  step {step.get('name') or step.get('stepId')}: {step.get('status')}{how}")
        lines += [f"    {note}" for note in step_notes(step)]
    for send in execution["sends"]:
        number = f" ({send['external_id']})" if send["external_id"] else ""
        lines.append(f"  {send['channel']} to {send['recipient']}: {send['status']}{number}")
    return joined(lines)
