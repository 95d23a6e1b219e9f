"""`minutehand prune`: delete old executions and their sends."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import SECONDS, backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store


@click.command("prune", short_help="Delete old executions.", epilog="Example: minutehand prune --keep 90d")
@click.option("--keep", type=SECONDS, required=True, metavar="TIME", help="How long they are kept: 90d.")
@output_option("table", "json")
@backend_options
def prune(keep: float, output: str, backend: BackendSettings) -> None:
    """Delete the executions that ended, and were made longer ago than --keep, with their sends.

    What waits or runs stays.  It goes in small bites, so that nothing waits for it.  Processors do the same with their
    own --keep.
    """

    async def all_of_it(store: Store) -> int:
        deleted, more = 0, True
        while more:
            bite = await store.prune(int(keep))
            deleted, more = deleted + bite["deleted"], bite["more"]
        return deleted

    deleted = ask_store(backend, all_of_it)
    if output == "json":
        print_json({"deleted": deleted})
    else:
        click.echo(f"{deleted} deleted")
