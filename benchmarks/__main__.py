"""`make bench`: measure Minutehand on this machine, beside baselines.

It runs on an embedded PostgreSQL of its own with durable defaults, and never reads DATABASE_URL or `.env`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import click
import psycopg

from benchmarks import backends, dashboard, database, neighbours, slow_provider, starts, writes
from benchmarks.receiver import running_receivers
from benchmarks.report import Figure, as_text, machine
from tests.supabase import stack

T = TypeVar("T")
#: The results of each round, by kind of work.
Runs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    #: Executions that the engine, and the simple loop, run in a round.
    engine: dict[str, int]
    simple_loop: dict[str, int]
    starts: int
    single_updates: int
    bulk_rows: int
    #: Executions of a tick and of a drain, over each backend.
    backends: tuple[int, int]
    #: How long the costly tenant works, in seconds, for each kind of cost.
    neighbours: float
    #: E-mails by a provider that accepts two a second.
    slow_provider: int
    #: The dashboard: executions in its history, requests of each view, pages held open, changes timed in a browser.
    history: int
    requests: int
    pages: int
    changes: int


FULL = Sizes(
    rounds=3,
    engine={"noop": 20_000, "webhook": 5_000, "three": 1_500, "reserved": 5_000, "unreserved": 5_000},
    simple_loop={"noop": 2_000, "webhook": 1_000},
    starts=11,
    single_updates=200,
    bulk_rows=10_000,
    backends=(10, 1_000),
    neighbours=20.0,
    slow_provider=200,
    history=1_000_000,
    requests=40,
    pages=20,
    changes=10,
)
QUICK = Sizes(
    rounds=1,
    engine={"noop": 500, "webhook": 200, "three": 50, "reserved": 100, "unreserved": 100},
    simple_loop={"noop": 50, "webhook": 50},
    starts=1,
    single_updates=5,
    bulk_rows=200,
    backends=(10, 100),
    neighbours=3.0,
    slow_provider=10,
    history=5_000,
    requests=2,
    pages=20,
    changes=2,
)


#: Each can be measured alone.
PARTS = ("queue", "starts", "writes", "backends", "neighbours", "pace", "dashboard")


@click.command()
@click.option("--quick", is_flag=True, help="A small run, to see that everything works; its figures mean little.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this part alone; may be repeated.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to this file."
)
def main(quick: bool, only: tuple[str, ...], json_file: Path | None) -> None:
    """Measure Minutehand on this machine, on a PostgreSQL of its own."""
    sizes = QUICK if quick else FULL
    measures = (
        queue_figures,
        start_figures,
        write_figures,
        backend_figures,
        neighbour_figures,
        pace_figures,
        dashboard_figures,
    )
    with database.running_server() as server:
        facts = machine(server)
        figures = []
        for part, measure in zip(PARTS, measures, strict=True):
            if not only or part in only:
                figures += measure(server, sizes)
    click.echo(as_text(facts, figures))
    if json_file:
        report = {"machine": facts, "quick": quick, "figures": [figure.as_json() for figure in figures]}
        json_file.write_text(json.dumps(report, indent=1) + "\n")


def queue_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure executions a second: the engine beside the simple loop and the bare HTTP client."""
    engine, simple_loop, bare_posts, bare_sends = queue_rounds(server, sizes)
    figures = []
    for kind, name in (("noop", "No-op executions"), ("webhook", "Executions with one POST, 50 at once")):
        ours, loop = middle(zip(engine[kind], simple_loop[kind], strict=True), rate)
        figures.append(
            Figure(
                name=name,
                value=rate(ours),
                unit="/s",
                baseline=rate(loop),
                baseline_name="a simple polling loop",
                aim=4,
                note=f"{ours['cpu_seconds'] / ours['executions'] * 1e6:.0f} µs of the worker's CPU each",
            )
        )
    ours, bare = middle(zip(engine["webhook"], bare_posts, strict=True), rate)
    baseline_name = "a bare aiohttp client, no database"
    figures.append(
        Figure(name="The same", value=rate(ours), unit="/s", baseline=rate(bare), baseline_name=baseline_name)
    )
    ours, bare = middle(zip(engine["three"], bare_sends, strict=True), rate)
    figures.append(
        Figure(
            name="Executions of e-mail, sms, webhook",
            value=rate(ours),
            unit="/s",
            baseline=rate(bare),
            baseline_name="the same three sends, bare, no database",
            note=f"{ours['cpu_seconds'] / ours['executions'] * 1e6:.0f} µs of the worker's CPU each",
        )
    )
    ours, bare = middle(zip(engine["reserved"], engine["unreserved"], strict=True), micros)
    figures.append(
        Figure(
            name="A send that is reserved and confirmed",
            value=micros(ours),
            unit="µs",
            baseline=micros(bare),
            baseline_name="one that is recorded with its step",
            more_is_better=False,
        )
    )
    return figures


def queue_rounds(server: str, sizes: Sizes) -> tuple[Runs, Runs, list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure the engine, the simple loop and the bare clients in turn; each gives one result a round."""
    engine: Runs = {kind: [] for kind in sizes.engine}
    simple_loop: Runs = {kind: [] for kind in sizes.simple_loop}
    bare_posts, bare_sends = [], []
    with running_receivers() as (port, smtp_port):
        url = database.new_queue(server, port)
        for number in range(sizes.rounds):
            progress(f"executions, round {number + 1} of {sizes.rounds}")
            for kind, count in sizes.engine.items():
                if kind in sizes.simple_loop:
                    loop_count = sizes.simple_loop[kind]
                    simple_loop[kind].append(measured(url, kind, loop_count, "simple_loop", url, str(port), kind))
                engine[kind].append(measured(url, kind, count, "drain", url, str(port), str(smtp_port)))
            bare_posts.append(run("bare_posts", str(port), str(sizes.engine["webhook"])))
            bare_sends.append(run("bare_sends", str(port), str(smtp_port), str(sizes.engine["three"])))
    return engine, simple_loop, bare_posts, bare_sends


def start_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure a whole `run-once` process with nothing due."""
    progress("process starts")
    took = starts.middle_ms(database.new_database(server, "idle"), sizes.starts)
    return [
        Figure(
            name="run-once with nothing due",
            value=took["run-once"],
            unit="ms",
            baseline=took["import"],
            baseline_name='python -c "import psycopg"',
            aim=2,
            more_is_better=False,
            note=f"median of {sizes.starts}",
        )
    ]


def write_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure the app's UPDATEs beside those of a table that is not watched."""
    url = writes.new_tables(server, sizes.bulk_rows)
    single: list[dict[str, float]] = []
    bulk: list[dict[str, writes.Bulk]] = []
    for number in range(sizes.rounds):
        progress(f"updates, round {number + 1} of {sizes.rounds}")
        single.append(writes.single_us(url, number, sizes.single_updates))
        bulk.append(writes.bulk(url, number))
    figures = []
    for table in writes.TABLES:
        ours, bare = middle(((took[table.name], took[writes.BARE]) for took in single), float)
        figures.append(
            Figure(
                name=f"UPDATE of one row, {table.label}",
                value=ours,
                unit="µs",
                baseline=bare,
                baseline_name="" if table.workflows else "no trigger",
                aim=None if table.workflows else 1.3,
                more_is_better=False,
            )
        )
        if table.workflows >= 100:  # with fewer, the noise of two medians is larger
            each = median((took[table.name] - took["none"]) / table.workflows for took in single)
            figures.append(
                Figure(name="  of it each workflow", value=each, unit="µs", at_most=15, more_is_better=False)
            )
    for table in writes.TABLES:
        ran, free = middle(((took[table.name], took[writes.BARE]) for took in bulk), lambda run: run.us_a_row)
        late = f"{ran.late:.0%} of the events exceeded the trigger's budget, and wait for the tick"
        figures.append(
            Figure(
                name=f"UPDATE of {sizes.bulk_rows:,} rows, {table.label}",
                value=ran.us_a_row,
                unit="µs a row",
                baseline=free.us_a_row,
                baseline_name="" if table.workflows else "no trigger",
                more_is_better=False,
                note=late if ran.late else "",
            )
        )
        if not table.workflows:
            event = median(took[table.name].us_a_row - took[writes.BARE].us_a_row for took in bulk)
            figures.append(
                Figure(name="  of it the event", value=event, unit="µs a row", at_most=60, more_is_better=False)
            )
    return figures


def backend_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure a tick and a drain over REST beside the Postgres backend."""
    progress("a tick and a drain over each backend")
    if not stack.MODULES.is_dir():
        progress("skipped: REST needs `npm ci --prefix tests/supabase --ignore-scripts` once")
        return []
    figures = []
    for count, runs in backends.measured(server, sizes.rounds, sizes.backends).items():
        rest, postgres = middle(((run["rest"], run["postgres"]) for run in runs), lambda run: run.seconds)
        what = "A tick of 10" if count == 10 else f"A drain of {count:,}"
        figures.append(
            Figure(
                name=f"{what} over REST",
                value=rest.seconds * 1000,
                unit="ms",
                baseline=postgres.seconds * 1000,
                baseline_name=f"the Postgres backend, {postgres.calls - 1} calls",
                more_is_better=False,
                note=f"{rest.calls - 1} requests",
            )
        )
    return figures


def neighbour_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure how long one tenant waits while another does what costs most."""
    progress("a tenant beside a costly one")
    return [
        Figure(
            name=f"Longest wait beside {name}",
            value=delay,
            unit="s",
            at_most=10,
            note=f"{missing} did not start" if missing else "",
        )
        for name, (delay, missing) in neighbours.delays(server, sizes.neighbours).items()
    ]


def pace_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure what share of a slow provider's pace two workers reach."""
    progress(f"{sizes.slow_provider} e-mails by a provider that accepts two a second")
    result = slow_provider.measured(server, sizes.slow_provider)
    return [
        Figure(
            name=f"Share of a provider's pace, {sizes.slow_provider} e-mails, 2 workers",
            value=result.share * 100,
            unit="%",
            baseline=100,
            baseline_name="all that it accepts",
            aim=0.9,
            note=f"{result.failed} failed, {result.doubled} doubled, {result.refused} requests answered 429",
        )
    ]


def dashboard_figures(server: str, sizes: Sizes) -> list[Figure]:
    """Measure the dashboard over a long history: its views, the queries of open pages, and the delay of a change."""
    progress(f"the dashboard over {sizes.history:,} executions")
    url = dashboard.new_history(server, sizes.history)
    with dashboard.serving(url) as client:
        views = list(dashboard.views(url, client, sizes.requests))
        opened = dashboard.open_pages(url, client, sizes.pages, 10 if sizes.requests > 2 else 2)
        delays = dashboard.on_screen_ms(url, client, sizes.changes)
    figures = [
        Figure(
            name=f"{view.name}: p95 of {sizes.requests}",
            value=view.p95,
            unit="ms",
            at_most=150,
            note=f"{view.size / 1000:.0f} kB{'' if view.size < 60_000 else ', TOO LARGE'}; "
            f"first request of a new server: {view.first:.0f} ms",
        )
        for view in views
    ]
    figures += [
        Figure(
            name=f"Queries of {opened.pages} open pages, nothing changes",
            value=opened.idle,
            unit="/s",
            at_most=1.1,
        ),
        Figure(
            name=f"The same, {dashboard.CHANGES:g} changes a second",
            value=opened.busy,
            unit="/s",
            note="one for the change, one for the page",
        ),
    ]
    if delays:
        figures.append(
            Figure(
                name=f"Commit to screen, slowest of {len(delays)}",
                value=max(delays),
                unit="ms",
                at_most=2000,
            )
        )
    return figures


def middle(pairs: Iterable[tuple[T, T]], value: Callable[[T], float]) -> tuple[T, T]:
    """Return the round with the median ratio: its two values were measured one right after the other."""
    ordered = sorted(pairs, key=lambda pair: value(pair[0]) / value(pair[1]))
    return ordered[len(ordered) // 2]


def measured(url: str, kind: str, count: int, module: str, *arguments: str) -> dict[str, Any]:
    """Fill the queue, and let a separate process empty it."""
    database.fill(url, kind, count)
    took = run(module, *arguments)
    with psycopg.connect(url) as connection:
        database.expect(connection, "completed", count)
    return took


def run(module: str, *arguments: str) -> dict[str, Any]:
    """Run one part in a separate process; its log is discarded."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def rate(took: dict[str, Any]) -> float:
    """Executions a second."""
    return float(took["executions"] / took["seconds"])


def micros(took: dict[str, Any]) -> float:
    """Microseconds an execution."""
    return float(took["seconds"] / took["executions"] * 1e6)


def progress(what: str) -> None:
    """At a terminal, print what is being measured."""
    if sys.stderr.isatty():
        click.echo(f"… {what}", err=True)


if __name__ == "__main__":
    main()
