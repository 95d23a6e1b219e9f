"""`minutehand workflows`: list, show, pause and dry-run workflows.  Others: workflow_files.py, workflow_switches.py."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import click

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.commands.enqueue import read_instant, read_payload
from minutehand.scheduler.cli.commands.pause import period_options, planned_option, print_paused, print_resumed
from minutehand.scheduler.cli.commands.workflow_files import apply, export, lint, new
from minutehand.scheduler.cli.commands.workflow_switches import disable, enable, rm
from minutehand.scheduler.cli.options import backend_options, executor_option, output_option, run_options
from minutehand.scheduler.cli.output import print_json, print_rows
from minutehand.scheduler.cli.terminal import echo, echo_text
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store
from minutehand.store.errors import BadRequest
from minutehand.store.records import DryRunContext

COLUMNS = ("name", "trigger_type", "state", "last_run", "steps")


@click.group(
    "workflows",
    short_help="List, check, dry-run, switch, pause, export, apply and delete workflows.",
    epilog="Example: minutehand workflows lint",
)
def workflows() -> None:
    """List, check, dry-run, switch, pause, export, apply and delete workflows."""


@workflows.command(
    "ls", short_help="List workflows and their state.", epilog="Example: minutehand workflows ls -o json"
)
@output_option("table", "json", "jsonl")
@executor_option
@backend_options
def ls(output: str, executor: str, backend: BackendSettings) -> None:
    """List workflows: their trigger, state, steps and last run."""
    from minutehand.scheduler.workflow_files.text import line

    listed = [line(facts, executor) for facts in ask_store(backend, lambda store: store.workflows())]
    print_rows(listed, COLUMNS, output, empty="no workflows yet; print an example with: minutehand workflows new")
    if output == "table":
        for workflow in listed:
            for problem in workflow["problems"]:
                echo(f"! {workflow['name']} {problem}")


@workflows.command(
    "show",
    short_help="Show a workflow, and why it may not run.",
    epilog="Example: minutehand workflows show 'Thank the client'",
)
@click.argument("workflow")
@output_option("table", "json")
@executor_option
@backend_options
def show(workflow: str, output: str, executor: str, backend: BackendSettings) -> None:
    """Show WORKFLOW (its name or id): its steps, problems, versions and executions."""
    from minutehand.executor.checks.workflow import diagnose, with_verdict
    from minutehand.scheduler.workflow_files.text import as_text

    facts = ask_store(backend, lambda store: store.workflow(workflow))
    if output == "json":
        diagnosis = diagnose(facts, executor=executor)
        findings = [finding.as_json() for finding in diagnosis.findings]
        print_json(with_verdict(facts, diagnosis) | {"findings": findings})
    else:
        echo_text(as_text(facts, executor))


@workflows.command("pause", epilog="Example: minutehand workflows pause 'Thank the client' --reason holidays")
@click.argument("workflow")
@click.option("--reason", metavar="TEXT", help="The reason; `status` shows it.")
@period_options
@output_option("table", "json")
@backend_options
def pause(
    workflow: str,
    reason: str | None,
    from_: str | None,
    until: str | None,
    output: str,
    backend: BackendSettings,
) -> None:
    """Pause WORKFLOW: no processor starts its steps or sends.  Changes are still recorded, and its executions wait."""
    what: dict[str, Any] = {"scope": "workflow", "target": workflow, "reason": reason, "from_": from_, "until": until}
    print_paused(ask_store(backend, lambda store: store.pause(**what, actor=cli_actor())), output)


@workflows.command("resume", epilog="Example: minutehand workflows resume 'Thank the client'")
@click.argument("workflow")
@planned_option
@output_option("table", "json")
@backend_options
def resume(workflow: str, planned: bool, output: str, backend: BackendSettings) -> None:
    """Resume WORKFLOW: held executions run when they are due."""
    what: dict[str, Any] = {"scope": "workflow", "target": workflow, "planned": planned}
    print_resumed(ask_store(backend, lambda store: store.resume(**what, actor=cli_actor())), output, planned=planned)


@workflows.command(
    "forecast",
    short_help="List what a workflow will run.",
    epilog="Example: minutehand workflows forecast 'Weekly report' --for '30 days'",
)
@click.argument("workflow")
@click.option("--for", "period", default="30 days", show_default=True, metavar="TIME", help="How long from now on.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="List at most so many.")
@output_option("table", "json")
@backend_options
def forecast(workflow: str, period: str, limit: int, output: str, backend: BackendSettings) -> None:
    """List what WORKFLOW will run, by time: its executions that wait, and the firings of its schedule."""
    from minutehand.scheduler.cli.commands.upcoming import print_upcoming

    answer = ask_store(backend, lambda store: store.upcoming(until=period, workflow=workflow, limit=limit))
    print_upcoming(answer, limit, output)


@workflows.command(
    "test",
    short_help="Dry run with a row: nothing is sent.",
    epilog="Example: minutehand workflows test 'Thank the client' --row J-2019",
)
@click.argument("workflow")
@click.option("--row", metavar="ID", help="The row to test with; its newest change is used.")
@click.option("--payload", metavar="@FILE|JSON", help="JSON for templates, as trigger.payload; @- reads stdin.")
@click.option("--at", metavar="TIME", help="As if it were this moment: 2027-03-28T01:00, in the workflow's time zone.")
@output_option("table", "json")
@run_options
def test(
    workflow: str,
    row: str | None,
    payload: str | None,
    at: str | None,
    output: str,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> int:
    """Dry-run WORKFLOW on a row: fill in every step, find every recipient, evaluate every condition.  Nothing is sent.

    Takes the settings of a processor, and fails a step as it would.  Exit 3 when a step would fail.
    """
    from minutehand.executor.dry_run import DryRunStep, dry_run
    from minutehand.scheduler.logs import configure
    from minutehand.scheduler.workflow_files.dry_run_text import dry_run_json, dry_run_text

    configure(log)
    data = read_payload(payload)
    moment = read_instant(at)

    async def go(store: Store) -> tuple[DryRunContext, list[DryRunStep]]:
        facts = await store.dry_run(workflow, row=row, payload=data)
        if moment is not None:
            zone = ZoneInfo(facts["workflow"]["zone"])
            store = store.as_of(moment if moment.tzinfo else moment.replace(tzinfo=zone))
            facts = await store.dry_run(workflow, row=row, payload=data)
        return facts, await dry_run(facts, executor, store.evaluate, store.may_send)

    try:
        facts, results = ask_store(backend, go)
    except BadStep as error:
        raise BadRequest(f"{workflow!r} cannot run: {error}") from None
    if output == "json":
        print_json(dry_run_json(facts, results))
    else:
        echo_text(dry_run_text(facts, results))
    return 3 if any(one.fails for one in results) else 0


for command in (enable, disable, rm, new, apply, export, lint):
    workflows.add_command(command)
