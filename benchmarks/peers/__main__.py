"""`make bench-peers`: run Minutehand and other queues in turn on one PostgreSQL, and print one table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psycopg
from psycopg import sql

from benchmarks import database
from benchmarks.peers import measure
from benchmarks.peers.installed import NotInstalled, command_of, default_folder
from benchmarks.peers.measure import Bench, Figures
from benchmarks.peers.peers import PEERS, Peer
from benchmarks.peers.programs import Broken, Program
from benchmarks.peers.table import Results, as_json, as_text
from benchmarks.receiver import running_receivers
from benchmarks.report import machine

PARTS = ("noop1", "noop2", "post", "start", "cold", "idle", "growth")
#: These run only where --only names them: they take long.
SLOW = ("growth",)
NAMES = tuple(peer.name for peer in PEERS)


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this part alone; may be repeated.")
@click.option("--peer", "names", type=click.Choice(NAMES), multiple=True, help="Run this one alone; may be repeated.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Runs of each part and peer.")
@click.option("--count", type=click.IntRange(10), default=20_000, show_default=True, help="Executions of a no-op run.")
@click.option("--posts", type=click.IntRange(10), default=5_000, show_default=True, help="Executions of a POST run.")
@click.option("--sends", type=click.IntRange(10), default=500, show_default=True, help="Executions added one by one.")
@click.option(
    "--idle-seconds", type=click.FloatRange(1), default=60, show_default=True, help="How long idle is observed."
)
@click.option("--finished", type=click.IntRange(0), default=2_000_000, show_default=True, help="Of the part `growth`.")
@click.option("--pending", type=click.IntRange(0), default=1_000_000, show_default=True, help="Of the part `growth`.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the peers are installed; else the user's cache.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write every figure here."
)
def main(
    only: tuple[str, ...],
    names: tuple[str, ...],
    runs: int,
    count: int,
    posts: int,
    sends: int,
    idle_seconds: float,
    finished: int,
    pending: int,
    folder: Path | None,
    json_file: Path | None,
) -> None:
    """Run Minutehand and other queues in turn on one PostgreSQL, and print one table."""
    if not sys.platform.startswith("linux"):
        raise click.ClickException("bench-peers needs Linux: it reads CPU and memory from /proc.")
    parts: dict[str, Callable[[Bench], Figures]] = {
        "noop1": lambda bench: measure.drain(bench, "noop", count, 1),
        "noop2": lambda bench: measure.drain(bench, "noop", count, 2),
        "post": lambda bench: measure.drain(bench, "webhook", posts, 1),
        "start": lambda bench: measure.starts(bench, sends),
        "cold": measure.cold,
        "growth": lambda bench: measure.growth(bench, count, finished, pending),
        "idle": lambda bench: measure.idle(bench, idle_seconds),
    }
    left_out: dict[str, str] = {}
    with database.running_server() as server, running_receivers() as (port, _):
        facts = machine(server)
        with psycopg.connect(server, autocommit=True) as admin:
            benches = list(_benches(admin, server, port, names or NAMES, folder or default_folder(), left_out))
            chosen = {part: run for part, run in parts.items() if part in (only or set(PARTS) - set(SLOW))}
            results = _measured(benches, chosen, runs, left_out)
    click.echo(as_text(facts, [bench.peer for bench in benches], results, left_out))
    if json_file:
        json_file.write_text(json.dumps(as_json(facts, results, left_out), indent=1) + "\n")


def _benches(
    admin: psycopg.Connection,
    server: str,
    port: int,
    names: tuple[str, ...],
    folder: Path,
    left_out: dict[str, str],
) -> Iterator[Bench]:
    """Install each peer and make its database; one that cannot be installed is noted in `left_out`."""
    for peer in PEERS:
        if peer.name not in names:
            continue
        _progress(f"{peer.name}: install and set up")
        try:
            command, variables = command_of(peer, folder.absolute())
            yield _set_up(admin, server, port, peer, command, variables)
        except (NotInstalled, Broken) as error:
            left_out[peer.name] = str(error)


def _set_up(
    admin: psycopg.Connection, server: str, port: int, peer: Peer, command: list[str], variables: dict[str, str]
) -> Bench:
    name = f"peer_{peer.driver}"
    admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = server.replace("@/postgres?", f"@/{name}?")
    # No variable of the operator's but these reaches a driver.
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "PGHOST": admin.info.host,
        "PGPORT": str(admin.info.port),
        "PGUSER": admin.info.user,
        "PGDATABASE": name,
        "DATABASE_URL": url,
        **variables,
    }
    program = Program(peer.name, command, environment)
    program.call("setup", str(port))
    return Bench(peer, program, url, admin, name, port)


def _measured(
    benches: list[Bench], parts: dict[str, Callable[[Bench], Figures]], runs: int, left_out: dict[str, str]
) -> Results:
    """Make the runs, the peers in turn in each; a part that fails is noted in `left_out`, and the others go on."""
    results: Results = {bench.peer.name: {} for bench in benches}
    for number in range(runs):
        for part, run in parts.items():
            for bench in benches:
                name = bench.peer.name
                if f"{name}, {part}" in left_out:
                    continue
                _progress(f"run {number + 1} of {runs}, {part}: {name}")
                try:
                    figures = run(bench)
                except Broken as error:
                    left_out[f"{name}, {part}"] = str(error)
                    continue
                for key, value in figures.items():
                    results[name].setdefault(f"{part}.{key}", []).append(value)
    return results


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"… {what}", err=True)


if __name__ == "__main__":
    main()
