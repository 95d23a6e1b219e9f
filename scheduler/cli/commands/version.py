"""`minutehand version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import click

from minutehand.scheduler.cli.terminal import echo


@click.command("version", short_help="Print the version.", epilog="Example: minutehand version")
def version() -> None:
    """Print this program's version, its schema and its Python."""
    from minutehand.store import schema

    echo(f"minutehand {installed('minutehand')} (schema {schema.version()}, Python {platform.python_version()})")
