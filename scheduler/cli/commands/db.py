"""`minutehand db`: the embedded PostgreSQL."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import backend_options
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import embedded_home


@click.group("db", short_help="Manage the embedded PostgreSQL.", epilog='Example: psql "$(minutehand db url)"')
def db() -> None:
    """Manage the embedded PostgreSQL, which is used when no database is configured."""


@db.command("url", epilog='Example: psql "$(minutehand db url)"')
@backend_options
def url(backend: BackendSettings) -> None:
    """Start the server if it is not running, and print its URL."""
    from minutehand.store.embedded import Embedded

    echo(Embedded(embedded_home(backend)).start())


@db.command("start", epilog="Example: minutehand db start")
@backend_options
def start(backend: BackendSettings) -> None:
    """Start the server."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    ran = server.running()
    server.start()
    echo(f"{'was running' if ran else 'started'} in {server.home}")


@db.command("stop", epilog="Example: minutehand db stop")
@backend_options
def stop(backend: BackendSettings) -> None:
    """Stop the server; its data stays."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    echo(f"{'stopped' if server.stop() else 'was not running'} in {server.home}")


@db.command("status", epilog="Example: minutehand db status")
@backend_options
def status(backend: BackendSettings) -> int:
    """Print whether the server is running, and in which folder.  Exit 3 if it is not running."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    running = server.running()
    echo(f"{'running' if running else 'not running'} in {server.home}")
    return 0 if running else 3
