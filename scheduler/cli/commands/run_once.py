"""`minutehand run-once`: run one tick, for cron, systemd timers and catching up by hand."""

from __future__ import annotations

import asyncio
import signal

import click

from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.text.display import json_text
from minutehand.scheduler.alerts.heartbeat_ping import HeartbeatPing
from minutehand.scheduler.cli.options import SECONDS, output_option, run_options
from minutehand.scheduler.cli.terminal import echo_data, echo_text, joined
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import Database, open_database
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.scheduler.process.shutdown import stopped_by_signals
from minutehand.store.errors import BadConfiguration


@click.command(
    "run-once",
    short_help="Run what is due once, and exit.",
    epilog="Example: minutehand run-once --drain --max-time 50s",
)
@click.option("--drain", is_flag=True, help="Run until nothing is due or comes back soon, instead of one batch.")
@click.option("--max-time", type=SECONDS, help="Stop claiming after this long: 50s, 5m.")
@click.option(
    "--fail-on",
    type=click.Choice(["never", "dead", "any"]),
    default="never",
    show_default=True,
    help="Exit 4 if an execution failed for good (dead), or also if one was retried or lost (any).",
)
@output_option("table", "json")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing if nothing was due.")
@run_options
def run_once(
    drain: bool,
    max_time: float | None,
    fail_on: str,
    output: str,
    quiet: bool,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> int:
    """Run one batch of due executions, print what became of them, and exit.

    Any number may run at the same time, on any number of machines: each execution runs once.
    """

    async def go() -> tuple[Database, Summary, list[int]]:
        async with open_database(backend) as database:
            runner = TickRunner(database.store, run, executor, log, mode="run-once", drain=drain, max_seconds=max_time)
            with stopped_by_signals(runner.stop) as signals:
                return database, await runner.tick(), signals

    with HeartbeatPing(run.ping_url, log) as ping:
        database, summary, signals = asyncio.run(go())
        if summary.stopped is not None:
            raise BadConfiguration(summary.stopped)
        status = 130 if signal.SIGINT in signals else 4 if summary.failed_as(fail_on) else 0
        text = as_text(summary, database)
        ping.finish(status, text)
    if not (quiet and summary.claimed == summary.held == summary.restored == summary.flooded == 0):
        if output == "json":
            echo_data(json_text(summary.as_json(database)) + "\n")
        else:
            echo_text(text)
    return status


def as_text(summary: Summary, database: Database) -> str:
    """Return the summary as text: the counts, then a line for each execution that did not complete."""
    lines = [] if summary.notice is None else [summary.notice]
    if summary.held:
        lines += [
            f"{summary.held} held as stale: they came due while no processor was running",
            "  list them: minutehand executions ls code:stale",
            "  run them: minutehand executions release ID… (or --stale for all)",
        ]
    if summary.restored:
        lines += [
            f"{summary.restored} held: they were due before this database was restored or copied",
            "  list them: minutehand executions ls code:restored",
            "  run them: minutehand executions release ID… (or --restored for all)",
            "  drop them: minutehand executions cancel ID… (or --restored for all)",
        ]
    if summary.flooded:
        lines += [
            f"{summary.flooded} held as a flood: their workflow started far more often than usual",
            "  list them: minutehand executions ls code:flood",
            "  run them: minutehand executions release ID… (or --flood for all)",
            "  drop them: minutehand executions cancel ID… (or --flood for all)",
        ]
    where = f"({database.where}, {summary.seconds:.2f} s)"
    if summary.claimed == 0:
        return joined([*lines, f"nothing due {where}"])
    ends = ", ".join(f"{count} {end}" for end, count in summary.ends.items() if count)
    due = f"{summary.due}{'+' if summary.is_due_capped else ''} still due"
    due += f", {summary.backlog}" if summary.backlog else ""
    lines.append(f"{summary.claimed} claimed: {ends}; {due} {where}")
    for row in summary.executions:
        if row["status"] != "completed":
            why = f"{row['code']}: {row['reason']}" if row["code"] else str(row["reason"] or "")
            lines.append(f"  {row['status']:<10} {row['workflow']} / {row['entity_id'] or '-'}  {why}")
    return joined(lines)
