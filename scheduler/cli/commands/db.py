"""`minutehand db`: the embedded PostgreSQL."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import embedded_home


@click.group("db", short_help="Manage the embedded PostgreSQL.", epilog='Example: psql "$(minutehand db url)"')
def db() -> None:
    """Manage the embedded PostgreSQL, which is used when no database is configured."""


@db.command("url", epilog='Example: psql "$(minutehand db url)"')
@output_option("table", "json")
@backend_options
def url(output: str, backend: BackendSettings) -> None:
    """Start the server if it is not running, and print its URL."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    server_url = server.start()
    _print({"url": server_url, "home": str(server.home)}, server_url, output)


@db.command("start", epilog="Example: minutehand db start")
@output_option("table", "json")
@backend_options
def start(output: str, backend: BackendSettings) -> None:
    """Start the server."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    ran = server.running()
    server.start()
    _print(
        {"answer": "already" if ran else "started", "home": str(server.home)},
        f"{'was running' if ran else 'started'} in {server.home}",
        output,
    )


@db.command("stop", epilog="Example: minutehand db stop")
@output_option("table", "json")
@backend_options
def stop(output: str, backend: BackendSettings) -> None:
    """Stop the server; its data stays."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    ran = server.stop()
    _print(
        {"answer": "stopped" if ran else "already", "home": str(server.home)},
        f"{'stopped' if ran else 'was not running'} in {server.home}",
        output,
    )


@db.command("status", epilog="Example: minutehand db status")
@output_option("table", "json")
@backend_options
def status(output: str, backend: BackendSettings) -> int:
    """Print whether the server is running, and in which folder.  Exit 3 if it is not running."""
    from minutehand.store.embedded import Embedded

    server = Embedded(embedded_home(backend))
    running = server.running()
    _print(
        {"running": running, "home": str(server.home)},
        f"{'running' if running else 'not running'} in {server.home}",
        output,
    )
    return 0 if running else 3


def _print(answer: dict[str, object], words: str, output: str) -> None:
    if output == "json":
        print_json(answer)
    else:
        echo(words)
