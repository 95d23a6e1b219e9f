"""`executions retry` and `cancel` of all that match a search: the same bulk action as on the dashboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from minutehand.dashboard.presentation.search import BadSearch, as_filter, parse_search
from minutehand.scheduler.cli.actor import cli_actor
from minutehand.scheduler.cli.output import counted, format_value, print_json
from minutehand.scheduler.cli.terminal import asks, confirm, echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store import Json, Store
from minutehand.store.records import BulkAction

#: An id of an execution, or its beginning, as minutehand.id_range reads it.
_ID = re.compile(r"[{]?(?:-*[0-9A-Fa-f]){6,32}-*[}]?")
#: Seconds between two steps at least: another processor may be at work on it.
MIN_SECONDS = 0.02
#: Seconds over which an action can be spread at most, as on the dashboard.
MAX_SPREAD_SECONDS = 86_400.0
#: Action: how it is called when it is done, and the status that it means where the search names none and no code.
_DONE = {"retry": ("retried", "failed"), "cancel": ("cancelled", "pending")}


def is_search(arguments: Sequence[str]) -> bool:
    """Return whether these are a search and not ids: one of them has a colon, or none of them can begin an id.

    Beside an id, a word that is none is a mistyped id, which is answered as missing.

    Errors: `click.UsageError` for both.
    """
    has_id = any(_ID.fullmatch(argument) for argument in arguments)
    has_field = any(":" in argument for argument in arguments)
    if has_id and has_field:
        raise click.UsageError("give ids or search terms, not both")
    return bool(arguments) and not has_id


def refuse_search_options(spread_seconds: float, dry_run: bool) -> None:
    """Refuse what only goes with search terms.  Errors: `click.UsageError`."""
    if spread_seconds or dry_run:
        raise click.UsageError("--spread and --dry-run go with search terms, as in status:failed since:1h")


def run_bulk(
    action: str,
    terms: Sequence[str],
    *,
    spread_seconds: float,
    dry_run: bool,
    yes: bool,
    output: str,
    backend: BackendSettings,
) -> None:
    """Count what matches, ask, and do it in steps.  What is interrupted is continued by any processor."""
    if spread_seconds > MAX_SPREAD_SECONDS:
        raise click.UsageError("--spread may be at most 1d")
    filters = _filter(action, terms)
    planned = ask_store(backend, lambda store: _preview(store, action, filters))
    count = planned["count"] - planned["left_alone"].get("uncertain_send", 0)
    if dry_run:
        return print_json(planned) if output == "json" else _print_preview(planned, count, "would be ", err=False)
    if not yes:
        _print_preview(planned, count, "will be ", err=True)
        if count == 0:
            return None
        if not asks():
            raise click.UsageError("this acts on all that match: say --yes, or look first with --dry-run")
        if not confirm(f"{action.capitalize()} {counted(count, 'execution')}?"):
            return echo("nothing was changed", err=True)
    bulk = ask_store(backend, lambda store: _run(store, action, filters, spread_seconds, " ".join(terms)))
    answer = {name: bulk[name] for name in ("id", "action", "total", "done", "status", "note")}
    answer["left_alone"] = bulk["failed"]
    if output == "json":
        return print_json(answer)
    left = f", {bulk['failed']} left alone" if bulk["failed"] else ""
    stopped = f"; stopped: {bulk['note']}" if bulk["status"] == "stopped" else ""
    return echo(f"{bulk['done']} {_DONE[action][0]}{left}{stopped}")


def _filter(action: str, terms: Sequence[str]) -> Json:
    """Return the filter of the search.  Its times are fixed now, so that the count stays true."""
    from minutehand.dashboard.pages.bulk_actions import STATUSES

    now = datetime.now(UTC)
    try:
        filters = {"until": now.isoformat()} | as_filter(parse_search(terms), now)
    except BadSearch as error:
        raise click.UsageError(str(error)) from None
    if "status" not in filters and "code" not in filters:
        filters["status"] = _DONE[action][1]
    if filters.get("status", STATUSES[action][0]) not in STATUSES[action]:
        allowed = " and ".join(STATUSES[action])
        raise click.UsageError(f"{filters['status']} executions can't be {_DONE[action][0]}, only {allowed} ones")
    return filters


async def _preview(store: Store, action: str, filters: Json) -> Json:
    """Return how many match, and how many like them are left alone: unconfirmed sends, and what only a name reaches."""
    found = await store.count(filters)
    left: Json = {}
    if action == "retry" and filters.get("status") != "skipped" and filters.get("code") in (None, "uncertain_send"):
        left["uncertain_send"] = (await store.count(filters | {"code": "uncertain_send"}))["count"]
    if "code" not in filters and filters.get("status") in ("failed", "pending"):
        other = {"failed": "skipped", "pending": "processing"}[filters["status"]]
        left[other] = (await store.count(filters | {"status": other}))["count"]
    left = {name: count for name, count in left.items() if count}
    return {"action": action, "filter": filters, **found, "left_alone": left}


def _print_preview(planned: Json, count: int, will: str, *, err: bool) -> None:
    done = _DONE[planned["action"]][0]
    echo(f"{counted(count, 'execution')} {will}{done}", err=err)
    for name, left in planned["left_alone"].items():
        hint = (
            "unconfirmed: executions resolve" if name == "uncertain_send" else f"{name}: name them with status:{name}"
        )
        echo(f"{left} left alone, {hint}", err=err)
    if planned["capped"]:
        echo("the count stops at 10,000, and so does one command", err=err)
    if planned["looked_back_to"]:
        echo(f"counted back to {format_value(planned['looked_back_to'])}; what is older is left alone", err=err)


async def _run(store: Store, action: str, filters: Json, spread_seconds: float, note: str) -> BulkAction:
    bulk = await store.bulk_start(action, filters, spread_seconds=spread_seconds, actor=cli_actor(), note=note[:200])
    try:
        while bulk["status"] == "running":
            await asyncio.sleep(max(float(bulk["wait_seconds"] or 0), MIN_SECONDS))
            bulk = await store.bulk_step(bulk["id"]) or bulk
    except asyncio.CancelledError:
        echo(f"{bulk['done']} of {bulk['total']} done; processors go on with the rest.  See and stop it on the "
             f"dashboard: /bulk/{bulk['id']}", err=True)  # fmt: skip
        raise
    return bulk
