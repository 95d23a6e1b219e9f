"""`minutehand status`: what is due, what failed, and what needs attention."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from minutehand.executor.checks.workflow import BROKEN
from minutehand.executor.text.backlog import backlog_text
from minutehand.executor.text.copies import notice, why_stopped
from minutehand.executor.text.display import escaped, json_text
from minutehand.scheduler.cli.commands.pause import when
from minutehand.scheduler.cli.options import SECONDS, backend_options, executor_option, output_option
from minutehand.scheduler.cli.output import counted, format_value, print_json, replace_file
from minutehand.scheduler.cli.terminal import echo_data, echo_text, joined
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import Database, open_database, read_metrics
from minutehand.store import Json, Store
from minutehand.store.errors import BadConfiguration, StoreError
from minutehand.store.records import Metrics, PauseRow, PlannedPause

#: Terminal codes: go to the top left corner, clear the rest of a line, clear the lines below.  Clearing first flickers.
_HOME, _WIPE_LINE, _WIPE_REST = "\x1b[H", "\x1b[K", "\x1b[J"

#: Counts of `automation_metrics` stop here.
MAX_COUNTED = 10_000

#: Problems of workflows that run nevertheless, as text.
MAX_LISTED = 30

#: Returns the figures.  Errors: `StoreError`.
Look = Callable[[Store], Awaitable[Metrics]]
#: Returns the problems that need attention, as text.
Judge = Callable[[Metrics], list[str]]


@click.command(
    "status",
    short_help="Show status.",
    epilog="Example: minutehand status --check --max-age 10m --max-failed 20",
)
@click.option("--check", is_flag=True, help="Exit 3 if anything needs attention; --max-age and --max-failed imply it.")
@click.option(
    "--max-age", type=SECONDS, default=300.0, show_default=True, help="How long the oldest due execution may wait."
)
@click.option(
    "--max-failed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="How many executions may have failed in the last hour.",
)
@click.option(
    "--watch",
    "every",
    type=SECONDS,
    is_flag=False,
    flag_value="2s",
    metavar="[TIME]",
    help="Refresh until interrupted; every 2 s by default.",
)
@output_option("table", "json", "prometheus")
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With -o prometheus: replace FILE atomically, for the node exporter's textfile collector.",
)
@executor_option
@backend_options
@click.pass_context
def status(
    context: click.Context,
    check: bool,
    max_age: float,
    max_failed: int,
    every: float | None,
    output: str,
    write: Path | None,
    executor: str,
    backend: BackendSettings,
) -> int:
    """Show what is due, what failed, which workflows cannot run, and the last processor.

    With --check, monitors can use the exit code; `-o prometheus` prints metrics for a textfile collector.
    """
    if write is not None and output != "prometheus":
        raise click.UsageError("--write needs -o prometheus")
    check = check or any(
        context.get_parameter_source(limit) is ParameterSource.COMMANDLINE for limit in ("max_age", "max_failed")
    )
    look: Look = partial(read_metrics, executor=executor)
    judge = partial(found_problems, max_age=max_age, max_failed=max_failed)
    if every is not None:
        if check or output == "prometheus":
            raise click.UsageError(
                "--watch runs until interrupted: it cannot be combined with --check or -o prometheus"
            )
        if every < 0.1:
            raise click.UsageError("--watch must be at least 0.1 s")
        asyncio.run(_watch(backend, every, look, judge, as_json=output == "json"))

    async def look_once() -> tuple[Database, Metrics]:
        async with open_database(backend) as database:
            return database, await look(database.store)

    database, metrics = asyncio.run(look_once())
    problems = judge(metrics)
    if output == "prometheus":
        from minutehand.dashboard.api.metrics import prometheus_text

        if write is None:
            echo_data(prometheus_text(metrics))
        else:
            replace_file(write, prometheus_text(metrics))
    elif output == "json":
        print_json(status_json(database, metrics, problems))
    else:
        echo_text(as_text(database, metrics, problems))
    return 3 if check and problems else 0


async def _watch(backend: BackendSettings, every: float, look: Look, judge: Judge, *, as_json: bool) -> None:
    """Refresh until interrupted; an unreachable database may come back.  Errors: `BadConfiguration`."""
    redraw = not as_json and sys.stdout.isatty()
    async with open_database(backend) as database:
        while True:
            try:
                metrics = await look(database.store)
            except BadConfiguration:
                raise
            except StoreError as error:
                _print(escaped(f"! {error}"), redraw=redraw, err=not redraw)
            else:
                problems = judge(metrics)
                if as_json:
                    text = json_text(status_json(database, metrics, problems))
                elif redraw:
                    text = f"{format_value(metrics['now'])} UTC, every {every:g} s; stop with Ctrl-C\n\n"
                    text += as_text(database, metrics, problems)
                else:
                    text = as_line(metrics, problems)
                _print(text, redraw=redraw)
            await asyncio.sleep(every)


def _print(text: str, *, redraw: bool, err: bool = False) -> None:
    """Print a text that is safe to show; at a terminal in place of the one before."""
    if redraw:
        text = _HOME + "".join(f"{line}{_WIPE_LINE}\n" for line in text.splitlines()) + _WIPE_REST
    click.echo(text, err=err, nl=not redraw)  # noqa: TID251


def as_line(metrics: Metrics, problems: list[str]) -> str:
    """Return one look as one line."""
    counts = ", ".join(f"{name} {metrics[name]}" for name in ("due", "pending", "processing"))
    backlog = f"; {text}" if (text := backlog_of(metrics)) else ""
    line = f"{format_value(metrics['now'])}  {counts}; last hour: {hour_of(metrics)}{backlog}"
    return escaped("  ! ".join([line, *problems]))


def found_problems(metrics: Metrics, *, max_age: float, max_failed: int) -> list[str]:
    """Return the problems that need attention, as text."""
    failed, events = metrics["ended_last_hour"].get("failed", 0), metrics["events"]
    problems = [text for text in (why_stopped(metrics["identity"]),) if text is not None]
    if metrics["identity"]["state"] == "moved":
        problems.append(str(notice(metrics["identity"])))
    if (metrics["oldest_due_seconds"] or 0) > max_age:
        problems.append(
            f"the oldest due execution has waited {metrics['oldest_due_seconds']} s: is a processor running?"
        )
    if failed > max_failed:
        problems.append(f"{failed} failed in the last hour: minutehand executions ls --status failed")
    if count := metrics["uncertain"]:
        sends = counted(count, "send")
        problems.append(f"{sends} unconfirmed: minutehand executions ls --code uncertain_send")
    if count := events["lost"]:
        problems.append(f"{counted(count, 'change')} could not be recorded: see the database's log for the warnings")
    if count := events["set_aside"]:
        last = _last_change(events["last_set_aside"])
        problems.append(f"{counted(count, 'change was', 'changes were')} set aside{last}; see: minutehand doctor")
    if count := events["no_tenant"]:
        last = _last_change(events["last_no_tenant"])
        table = (events["last_no_tenant"] or {}).get("table", "TABLE")
        problems.append(
            f"{counted(count, 'change names', 'changes name')} no tenant{last}; fill that column, or if the table has"
            f" no tenants: minutehand trigger add {table} --tenant none"
        )
    if count := metrics["foreign_processing"]:
        problems.append(f"{counted(count, 'row is', 'rows are')} processing under another processor")
    problems += [
        f"{worker['mode']} on {worker['host']}: {what} failed: {reason}"
        for worker in metrics["workers"]
        for what, reason in (worker["problems"] or {}).items()
    ]
    problems += [f"more messages than usual: {flood['summary']}" for flood in metrics["floods"]]
    problems += [
        f"table {table['table']} is not watched: {table['problem']}; {table['remedy']}"
        for table in metrics["tables"]
        if not table["enabled"]
    ]
    problems += workflow_problems(metrics, broken=True)
    return problems


def _last_change(change: Json | None) -> str:
    """Return which change was the last of these, and why it started nothing."""
    if change is None:
        return ""
    row = f"row {change['row']} of {change['table']}" if change["row"] else f"table {change['table']}"
    why = str(change["error"] or "").removeprefix("no tenant").removeprefix(": ")
    return f", the last of {row}" + (f": {why}" if why else "")


def workflow_problems(metrics: Metrics, *, broken: bool) -> list[str]:
    """Return the problems of the workflows that never run or always fail, or of the others."""
    return [
        f"workflow {workflow['name']!r} {problem}"
        for workflow in metrics["workflows"]
        for problem in workflow["problems"]
        if (workflow["state"] in BROKEN) == broken
    ]


def status_json(database: Database, metrics: Metrics, problems: list[str]) -> Json:
    """Return the metrics for a program."""
    return {"backend": database.store.backend, "database": database.name, **metrics, "problems": problems}


def as_text(database: Database, metrics: Metrics, problems: list[str]) -> str:
    """Return the status as text."""
    tables = (
        ", ".join(table["table"] for table in metrics["tables"] if table["enabled"])
        or "none; add one with: minutehand trigger add TABLE"
    )
    on = sum(workflow["on"] for workflow in metrics["workflows"])
    workers = metrics["workers"]
    seen = (
        f"{workers[0]['mode']} on {workers[0]['host']}, {format_value(workers[0]['heartbeat_at'])} UTC"
        if workers
        else "never"
    )
    backlog = backlog_of(metrics)
    lines = [
        f"database    {database.where}, schema {metrics['schema_version']}",
        f"due         {metrics['due']} (pending {metrics['pending']}, processing {metrics['processing']})",
        *([f"backlog     {backlog}"] if backlog else []),
        f"last hour   {hour_of(metrics)}",
        f"tables      {tables}",
        f"workflows   {on} on, {len(metrics['workflows']) - on} off",
        f"processor   last seen: {seen}",
    ]
    if metrics["identity"]["state"] == "test":
        lines.append(f"test copy   {metrics['identity']['reason']}")
    lines += [f"paused      {paused(control)}" for control in metrics["paused"]]
    lines += [f"will pause  {planned(pause)}" for pause in metrics["planned_pauses"]]
    if unmatched := metrics["events"]["unmatched"]:
        lines.append(f"changes     {counted(unmatched, 'change is', 'changes are')} not matched yet")
    if quiet := metrics["events"]["quiet"]:
        lines.append(
            f"quiet       {counted(quiet, 'change')} imported quietly, among the newest 10,000: they start nothing"
        )
    lines += [f"! {problem}" for problem in problems]
    others = workflow_problems(metrics, broken=False)
    lines += [f"- {problem}" for problem in others[:MAX_LISTED]]
    if len(others) > MAX_LISTED:
        lines.append(f"- and {len(others) - MAX_LISTED} more: minutehand workflows ls")
    return joined(lines)


def backlog_of(metrics: Metrics) -> str:
    """Return how long ticks need for what is due; empty if one tick runs it, or a worker runs."""
    return backlog_text(metrics["due"], metrics["pace"], capped=metrics["due"] >= MAX_COUNTED)


def hour_of(metrics: Metrics) -> str:
    """Return what became of the last hour's executions."""
    return ", ".join(f"{count} {status}" for status, count in sorted(metrics["last_hour"].items())) or "nothing"


def paused(control: PauseRow) -> str:
    """Return one pause for a person: what is held, and why."""
    until = f" until {when(control['ends_at'])}" if control["ends_at"] else ""
    return f"{control['name']}{until}{': ' if control['reason'] else ''}{control['reason'] or ''}"


def planned(pause: PlannedPause) -> str:
    """Return one pause to come for a person."""
    until = f" until {when(pause['ends_at'])}" if pause["ends_at"] else ""
    why = f": {pause['reason']}" if pause["reason"] else ""
    return f"{pause['name']} from {when(pause['starts_at'])}{until}{why}"
