"""The first page: is everything in order, and what needs a person?"""

from __future__ import annotations

from datetime import datetime, timedelta

from minutehand.dashboard import charts
from minutehand.dashboard.charts import SPANS
from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.formatting import duration, parse_time, plural
from minutehand.store import Json

#: Executions of a tick, and the modes that tick once a minute.
TICK, PER_MINUTE = 10, ("run-once", "start")
#: Workflows that are shown: those that ran last.
WORKFLOWS = 20
#: Seconds that the oldest due execution may wait before it is amber, and red.
AMBER, RED = 120, 300


async def overview(request: PageRequest) -> Page:
    """Show how things stand."""
    span = SPANS.get(request.param("span", "1h"), SPANS["1h"])
    tenant, cache = request.user.tenant, request.dashboard.charts
    begin, fresh = charts.begin_of(span, request.now), cache.stale_from(span, request.now, tenant)
    seen: Json = await request.query(
        ("overview", span.name, fresh),
        lambda: request.store.overview(tenant=tenant, bars_from=fresh, bar_seconds=span.step),
    )
    figures = seen["figures"]
    strip = charts.minutes(seen["beats"], request.now)
    return Page(
        "overview.html",
        {
            "figures": figures,
            "seen": seen,
            "tiles": tiles(figures),
            "strip": charts.strip(strip),
            "missing": sum(minute.state in ("missing", "late") for minute in strip),
            "bars": charts.bars(cache.merged(span, request.now, tenant, seen["bars"]), span, begin),
            "span": span.name,
            "spans": list(SPANS),
            "drain": drain(figures, seen, request.now),
            "shown": WORKFLOWS,
            "next_look": next_look(figures["workers"], request.now),
        },
    )


def tiles(metrics: Json) -> list[Json]:
    """Return the six figures: each with its link, what it means, and how bad it is."""
    hour, age = metrics["last_hour"], metrics["oldest_due_seconds"]
    failed, uncertain = hour.get("failed", 0), metrics["uncertain"]
    waits = "bad" if (age or 0) >= RED else "warn" if (age or 0) >= AMBER else ""
    figures = (
        ("pending", f"{metrics['pending']:,}", "status:pending", f"{metrics['due']:,} due now", ""),
        ("processing", f"{metrics['processing']:,}", "status:processing", "in work", ""),
        ("oldest due", *_oldest(age), waits),
        ("success", _success(hour), "status:completed since:1h", "of the last hour", ""),
        ("failed", f"{failed:,}", "status:failed since:1h", "in the last hour", "bad" if failed else ""),
        (
            "uncertain", f"{uncertain:,}", "code:uncertain_send status:failed", "sends, of 30 days",
            "warn" if uncertain else "",
        ),
    )  # fmt: skip
    return [dict(zip(("name", "value", "link", "note", "level"), figure, strict=True)) for figure in figures]


def _oldest(age: float | None) -> tuple[str, str, str]:
    """Say how long the oldest due one waits: its figure, its link, its note."""
    if age is None:
        return "-", "status:pending", "nothing waits"
    return (duration(age) if age >= 1 else "just now"), "status:pending", "waits so long" if age >= 1 else "came due"


def _success(hour: Json) -> str:
    """Say how much of what ended worked; all of it only where nothing failed."""
    worked, failed = hour.get("completed", 0), hour.get("failed", 0)
    if not worked + failed:
        return "-"
    return f"{min(worked / (worked + failed), 0.99 if failed else 1):.0%}"


def drain(figures: Json, seen: Json, now: datetime) -> str:
    """Say how long the backlog takes, and when more arrives than is done, since when and what to set."""
    due = figures["due"]
    if not due:
        return "Nothing is due."
    busy, since = seen["busy"], parse_time(seen["behind_since"])
    said = f"{plural(due, 'execution')} due"
    if busy["ended"] > busy["arrived"]:
        rate = (busy["ended"] - busy["arrived"]) / 15
        return said + f": drained in about {duration(max(60, due / rate * 60))} at the pace of the last 15 minutes."
    if busy["arrived"] > busy["ended"] and (since is not None or due > TICK):
        behind = "" if since is None else f", for {duration((now - since).total_seconds())} now"
        return (
            f"{said}, and more arrives than is done{behind}: {busy['arrived']:,} came in the last 15 minutes, "
            f"{busy['ended']:,} ended. Set a larger --batch-size, or run minutehand worker."
        )
    return f"{said}, {TICK} a tick: drained in about {plural(-(-due // TICK), 'minute')}."


def next_look(workers: list[Json], now: datetime) -> Json | None:
    """Say when a processor looks next, as its last look lets expect: `{"words", "at": where there is an instant}`."""
    last = max((at for worker in workers if (at := parse_time(worker["heartbeat_at"])) is not None), default=None)
    if last is None or now - last > timedelta(minutes=5):
        return None
    if any(
        worker["mode"] not in PER_MINUTE and now - at < timedelta(seconds=90)
        for worker in workers
        if (at := parse_time(worker["heartbeat_at"])) is not None
    ):
        return {"words": "A worker looks all the time", "at": None}
    at = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return {"words": "Next look in", "at": at, "seconds": round((at - now).total_seconds())}
