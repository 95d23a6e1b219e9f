"""The first page: is everything in order, and what needs a person?"""

from __future__ import annotations

from datetime import datetime, timedelta

from dashboard import charts
from dashboard.charts import SPANS
from dashboard.window import Shown, Visit
from dashboard.words import counted, length
from store import Json

#: Seconds that the oldest due execution may wait before it is amber, and red.
AMBER, RED = 120, 300


async def overview(visit: Visit) -> Shown:
    """Show how things stand."""
    span = SPANS.get(visit.asked("span", "1h"), SPANS["1h"])
    tenant = visit.visitor.tenant
    metrics: Json = await visit.look("metrics", visit.store.metrics if tenant is None else lambda: _own(visit))
    seen: Json = await visit.look("overview", lambda: visit.store.overview(tenant=tenant))
    day = visit.filtered(_last_day(seen["now"]))
    groups: Json = await visit.look(("failures", "24h"), lambda: visit.store.failures(day, limit=5))
    begin = charts.begin_of(span, visit.now)
    buckets = await visit.look(("series", span.name), lambda: visit.window.history.series(span, visit.now, tenant))
    strip = charts.minutes(seen["beats"], visit.now)
    return Shown(
        "overview.html",
        {
            "metrics": metrics,
            "seen": seen,
            "groups": groups,
            "tiles": tiles(metrics),
            "strip": charts.strip(strip),
            "missing": sum(minute.state in ("missing", "late") for minute in strip),
            "bars": charts.bars(buckets, span, begin),
            "span": span.name,
            "spans": list(SPANS),
            "drain": drain(metrics, seen),
        },
    )


def _last_day(now: str) -> dict[str, str]:
    return {"since": (datetime.fromisoformat(now) - timedelta(days=1)).isoformat()}


async def _own(visit: Visit) -> Json:
    """Return the figures of the visitor's own tenant; those of everybody are not theirs."""

    async def count(**asked: str) -> int:
        found: int = (await visit.store.count(visit.filtered(asked)))["count"]
        return found

    hour = (visit.now - timedelta(hours=1)).isoformat()
    pending = await count(status="pending")
    return {
        "pending": pending,
        "due": pending,
        "processing": await count(status="processing"),
        "oldest_due_seconds": None,
        "last_hour": {status: await count(status=status, since=hour) for status in ("completed", "failed")},
        "uncertain": await count(status="failed", code="uncertain_send"),
        "workers": [],
        "paused": [],
    }


def tiles(metrics: Json) -> list[Json]:
    """Return the six figures: each with its link, what it means, and how bad it is."""
    hour, age = metrics["last_hour"], metrics["oldest_due_seconds"]
    failed, uncertain = hour.get("failed", 0), metrics["uncertain"]
    waits = "bad" if (age or 0) >= RED else "warn" if (age or 0) >= AMBER else ""
    figures = (
        ("pending", f"{metrics['pending']:,}", "status:pending", f"{metrics['due']:,} due now", ""),
        ("processing", f"{metrics['processing']:,}", "status:processing", "in work", ""),
        ("oldest due", length(age) or "-", "status:pending", "waits so long" if age else "nothing waits", waits),
        ("success", _success(hour), "status:completed since:1h", "of the last hour", ""),
        ("failed", f"{failed:,}", "status:failed since:1h", "in the last hour", "bad" if failed else ""),
        (
            "uncertain", f"{uncertain:,}", "code:uncertain_send status:failed", "sends, of 30 days",
            "warn" if uncertain else "",
        ),
    )  # fmt: skip
    return [dict(zip(("name", "value", "link", "note", "level"), figure, strict=True)) for figure in figures]


def _success(hour: Json) -> str:
    """Say how much of what ended worked; all of it only where nothing failed."""
    worked, failed = hour.get("completed", 0), hour.get("failed", 0)
    if not worked + failed:
        return "-"
    return f"{min(worked / (worked + failed), 0.99 if failed else 1):.0%}"


def drain(metrics: Json, seen: Json) -> str:
    """Say how long the backlog takes, and when more arrives than is done, what to do about it."""
    due = metrics["due"]
    if not due:
        return "Nothing is due."
    busy = seen["busy"]
    said = f"{counted(due, 'execution')} due"
    if busy["ended"] > busy["arrived"]:
        rate = (busy["ended"] - busy["arrived"]) / 15
        said += f": drained in about {length(max(60, due / rate * 60))} at the pace of the last 15 minutes."
    elif busy["arrived"] > busy["ended"]:
        said += (
            f"; in the last 15 minutes {busy['arrived']:,} arrived and {busy['ended']:,} ended: "
            "set a larger --batch-size, or run minutehand worker."
        )
    else:
        ticks = -(-due // 10)
        said += f", 10 a tick: drained in about {counted(ticks, 'minute')}; minutehand run-once --drain does it now."
    return said
