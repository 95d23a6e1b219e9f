"""`minutehand db`: the embedded PostgreSQL."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import road_options
from minutehand.scheduler.config import RoadSettings
from minutehand.scheduler.database import embedded_home


@click.group("db", short_help="Look after the embedded PostgreSQL.", epilog='Example: psql "$(minutehand db url)"')
def db() -> None:
    """The embedded PostgreSQL, which is used when no database is named."""


@db.command("url", epilog='Example: psql "$(minutehand db url)"')
@road_options
def url(road: RoadSettings) -> None:
    """Start it if need be, and print its address."""
    from minutehand.store.embedded import Embedded

    click.echo(Embedded(embedded_home(road)).start())


@db.command("start", epilog="Example: minutehand db start")
@road_options
def start(road: RoadSettings) -> None:
    """Start it."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(road))
    ran = server.running()
    server.start()
    click.echo(f"{'was running' if ran else 'started'} in {server.home}")


@db.command("stop", epilog="Example: minutehand db stop")
@road_options
def stop(road: RoadSettings) -> None:
    """Stop it; its data stays."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(road))
    click.echo(f"{'stopped' if server.stop() else 'was not running'} in {server.home}")


@db.command("status", epilog="Example: minutehand db status")
@road_options
def status(road: RoadSettings) -> int:
    """Say whether it runs, and where; exit 3 when not."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(road))
    running = server.running()
    click.echo(f"{'running' if running else 'not running'} in {server.home}")
    return 0 if running else 3
