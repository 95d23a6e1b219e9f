"""`minutehand prune`: delete old executions and their sends."""

from __future__ import annotations

import click

from minutehand.scheduler.cli.options import SECONDS, backend_options, output_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Store
from minutehand.store.records import Json


@click.command("prune", short_help="Delete old executions.", epilog="Example: minutehand prune --keep 90d")
@click.option(
    "--keep", type=SECONDS, required=True, metavar="TIME", help="Keep executions that are newer than this: 90d."
)
@output_option("table", "json")
@backend_options
def prune(keep: float, output: str, backend: BackendSettings) -> None:
    """Delete ended executions that were created longer ago than --keep, with their sends.

    Pending and running executions stay.  Rows are deleted in small batches, so that locks are short.  Processors do the
    same with their own --keep.
    """

    async def prune_all(store: Store) -> Json:
        deleted = 0
        while True:
            batch = await store.prune(int(keep))
            deleted += batch["deleted"]
            if not batch["more"]:
                return {"deleted": deleted, **({"skipped": batch["skipped"]} if "skipped" in batch else {})}

    result = ask_store(backend, prune_all)
    if output == "json":
        print_json(result)
    else:
        echo(f"{result['deleted']} deleted" + (f": {result['skipped']}" if "skipped" in result else ""))
