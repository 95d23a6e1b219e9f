"""`minutehand status`: the first look."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from scheduler.output import print_json, shown
from scheduler.road import check_schema, open_store
from scheduler.settings import SECONDS, RoadSettings, output_option, road_options
from store import Json


@click.command(
    "status",
    short_help="Say how things stand.",
    epilog="Example: minutehand status --check --max-age 10m --max-failed 20",
)
@click.option("--check", is_flag=True, help="Exit 3 when something needs a person.")
@click.option(
    "--max-age", type=SECONDS, default=300.0, show_default=True, help="With --check: the oldest due may wait."
)
@click.option("--max-failed", type=int, default=0, show_default=True, help="With --check: failures in the last hour.")
@output_option("table", "json")
@road_options
def status(check: bool, max_age: float, max_failed: int, output: str, road: RoadSettings) -> int:
    """Say what is due, what failed, which workflows cannot fire, and who processes."""

    async def go() -> Any:
        async with open_store(road) as store:
            return store.road, await store.metrics()

    name, metrics = asyncio.run(go())
    check_schema(metrics["schema_version"])
    problems = found_problems(metrics, max_age=max_age, max_failed=max_failed)
    if output == "json":
        print_json({"road": name, **metrics, "problems": problems})
    else:
        click.echo(as_text(name, metrics, problems))
    return 3 if check and problems else 0


def found_problems(metrics: Json, *, max_age: float, max_failed: int) -> list[str]:
    """Return what needs a person, in words."""
    hour, events = metrics["last_hour"], metrics["events"]
    problems = []
    if (metrics["oldest_due_seconds"] or 0) > max_age:
        problems.append(f"the oldest due execution waits for {metrics['oldest_due_seconds']} s: does a processor run?")
    if hour.get("failed", 0) > max_failed:
        problems.append(f"{hour['failed']} failed in the last hour: minutehand executions ls --status failed")
    if metrics["uncertain"]:
        problems.append(f"{metrics['uncertain']} sends are uncertain: minutehand executions ls --code uncertain_send")
    if events["lost"]:
        problems.append(f"{events['lost']} changes could not be recorded: see the database's log for the warnings")
    if events["set_aside"]:
        problems.append(f"{events['set_aside']} changes were set aside: see automation_events.error")
    if events["no_tenant"]:
        problems.append(f"{events['no_tenant']} changes name no tenant: see automation_events.error")
    if metrics["foreign_processing"]:
        problems.append(f"{metrics['foreign_processing']} rows are processing under another processor")
    problems += [f"workflow {w['name']!r} can never fire: {w['problem']}" for w in metrics["workflows"] if w["problem"]]
    return problems


def as_text(road: str, metrics: Json, problems: list[str]) -> str:
    """Return the first look for a person."""
    hour = ", ".join(f"{count} {status}" for status, count in sorted(metrics["last_hour"].items())) or "nothing"
    tables = (
        ", ".join(table["table"] for table in metrics["tables"]) or "none; begin with: minutehand trigger add TABLE"
    )
    on = sum(workflow["on"] for workflow in metrics["workflows"])
    workers = metrics["workers"]
    seen = (
        f"{workers[0]['mode']} on {workers[0]['host']}, {shown(workers[0]['heartbeat_at'])} UTC" if workers else "never"
    )
    lines = [
        f"road        {road}, schema {metrics['schema_version']}",
        f"due         {metrics['due']} (pending {metrics['pending']}, processing {metrics['processing']})",
        f"last hour   {hour}",
        f"tables      {tables}",
        f"workflows   {on} on, {len(metrics['workflows']) - on} off",
        f"processor   last seen: {seen}",
    ]
    lines += [f"paused      {paused(control, metrics['workflows'])}" for control in metrics["paused"]]
    lines += [f"! {problem}" for problem in problems]
    return "\n".join(lines)


def paused(control: Json, workflows: list[Json]) -> str:
    """Return one pause for a person: what is held, and why."""
    names = {workflow["id"]: workflow["name"] for workflow in workflows}
    target = names.get(control["target"], control["target"])
    what = "everything" if control["scope"] == "all" else f"{control['scope']} {target}"
    return f"{what}: {control['reason']}" if control["reason"] else what
