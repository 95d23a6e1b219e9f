"""`minutehand version`."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.versions import versions, versions_text


@click.command("version", short_help="Print the version.", epilog="Example: minutehand version")
@output_option("table", "json")
def version(output: str) -> None:
    """Print this program's version, its schema and its Python.  `minutehand --version` is the same."""
    if output == "json":
        print_json(versions())
    else:
        echo(versions_text())
