"""The first page: is everything running, and what needs a person?"""

from __future__ import annotations

from datetime import datetime, timedelta

from minutehand.dashboard import charts
from minutehand.dashboard.charts import SPANS
from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.formatting import parse_time, plural
from minutehand.executor.checks.workflow import diagnose, with_verdict
from minutehand.executor.durations import format_duration
from minutehand.executor.text.backlog import backlog_text
from minutehand.store import Json
from minutehand.store.records import Pace

#: The modes that tick once a minute, and where the count of what is due stops.
MINUTE_MODES, MAX_COUNTED = ("run-once", "start"), 10_000
#: Rows of the table of workflows.
WORKFLOWS = 20
#: Seconds after which the oldest due execution is amber, and red.
AMBER_SECONDS, RED_SECONDS = 120, 300


async def overview(request: PageRequest) -> Page:
    """Show the state of the queue, its ticks, failures, processors and workflows."""
    span = SPANS.get(request.param("span", "1h"), SPANS["1h"])
    tenant, cache = request.user.tenant, request.dashboard.charts
    begin, stale_from = charts.begin_of(span, request.now), cache.stale_from(span, request.now, tenant)
    state: Json = await request.query(
        ("overview", span.name, stale_from),
        lambda: request.store.overview(tenant=tenant, bars_from=stale_from, bar_seconds=span.step),
    )
    figures = state["figures"]
    executor = request.dashboard.services.executor
    workflows = await request.build(
        lambda: [with_verdict(facts, diagnose(facts, executor=executor)) for facts in state["workflows"]]
    )
    minutes = charts.minutes(state["ticks"], request.now)
    return Page(
        "overview.html",
        {
            "figures": figures,
            "state": state,
            "workflows": workflows,
            "tiles": tiles(figures),
            "strip": charts.strip(minutes),
            "late_ticks": late_ticks(minutes),
            "bars": charts.bars(cache.merged(span, request.now, tenant, state["bars"]), span, begin),
            "span": span.name,
            "spans": list(SPANS),
            "backlog": backlog(figures, state, request.now),
            "max_workflows": WORKFLOWS,
            "next_tick": next_tick(figures["workers"], request.now),
        },
    )


def tiles(metrics: Json) -> list[Json]:
    """Return the six figures, each with its link, a note, and a level if it needs attention."""
    hour, age = metrics["last_hour"], metrics["oldest_due_seconds"]
    failed, uncertain = hour.get("failed", 0), metrics["uncertain"]
    age_level = "bad" if (age or 0) >= RED_SECONDS else "warn" if (age or 0) >= AMBER_SECONDS else ""
    figures = (
        ("pending", f"{metrics['pending']:,}", "status:pending", f"{metrics['due']:,} due now", ""),
        ("processing", f"{metrics['processing']:,}", "status:processing", "running now", ""),
        ("oldest due", *_oldest(age), age_level),
        ("success", _success(hour), "status:completed since:1h", "last hour", ""),
        ("failed", f"{failed:,}", "status:failed since:1h", "last hour", "bad" if failed else ""),
        (
            "uncertain", f"{uncertain:,}", "code:uncertain_send status:failed", "sends, last 30 days",
            "warn" if uncertain else "",
        ),
    )  # fmt: skip
    return [dict(zip(("name", "value", "link", "note", "level"), figure, strict=True)) for figure in figures]


def _oldest(age: float | None) -> tuple[str, str, str]:
    """Return the figure, link and note of the oldest due execution."""
    if age is None:
        return "-", "status:pending", "nothing due"
    return (
        (format_duration(age) if age >= 1 else "0 s"),
        "status:pending",
        "longest wait" if age >= 1 else "just became due",
    )


def _success(hour: Json) -> str:
    """Return the share that completed of those that completed or failed; 100% only if nothing failed."""
    completed, failed = hour.get("completed", 0), hour.get("failed", 0)
    if not completed + failed:
        return "-"
    return f"{min(completed / (completed + failed), 0.99 if failed else 1):.0%}"


def late_ticks(minutes: list[charts.Minute]) -> str:
    """Return how many ticks of the last hour were late or missing; empty if none.

    >>> late_ticks([charts.Minute(datetime.max, state, 0) for state in ("ran", "late", "missing", "missing")])
    '1 late tick, 2 missing ticks'
    """
    counts = ((state, sum(minute.state == state for minute in minutes)) for state in ("late", "missing"))
    return ", ".join(plural(count, f"{state} tick") for state, count in counts if count)


def backlog(figures: Json, state: Json, now: datetime) -> str:
    """Say how long the backlog will take, or since when it grows, and what to run."""
    due = figures["due"]
    if not due:
        return "Nothing is due."
    arrived, ended = state["throughput"]["arrived"], state["throughput"]["ended"]
    behind_since = parse_time(state["behind_since"])
    pace: Pace | None = figures.get("pace")  # a tenant does not see the processors
    too_many = backlog_text(due, pace, capped=due >= MAX_COUNTED)
    text = too_many or f"{plural(due, 'execution')} due"
    if ended > arrived and not too_many:
        seconds = max(60, due / (ended - arrived) * 15 * 60)
        return f"{text}: done in about {format_duration(seconds)} at the rate of the last 15 minutes."
    if arrived > ended and (behind_since is not None or (pace is not None and due > pace["per_tick"])):
        elapsed = "" if behind_since is None else f" for {format_duration((now - behind_since).total_seconds())}"
        return (
            f"{text}. The backlog is growing{elapsed}: {arrived:,} arrived in the last 15 minutes, {ended:,} ended. "
            "Set a larger --batch-size, or run minutehand worker."
        )
    return f"{text}."


def next_tick(workers: list[Json], now: datetime) -> Json | None:
    """Return when the next tick is expected: `{"text", "at", "seconds"}`; None if no processor ran for five minutes."""
    heartbeats = [(w["mode"], at) for w in workers if (at := parse_time(w["heartbeat_at"])) is not None]
    if not heartbeats or now - max(at for _, at in heartbeats) > timedelta(minutes=5):
        return None
    if any(mode not in MINUTE_MODES and now - at < timedelta(seconds=90) for mode, at in heartbeats):
        return {"text": "A worker polls continuously", "at": None}
    at = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return {"text": "Next tick in", "at": at, "seconds": round((at - now).total_seconds())}
