"""Small charts, drawn as SVG on the server.  They use no scripts and no style attributes: the policy forbids both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from minutehand.dashboard.presentation.formatting import parse_time, plural
from minutehand.executor.durations import format_duration
from minutehand.store import Json

#: The parts of a bar, from below.
STACK = ("completed", "processing", "pending", "skipped", "cancelled", "failed")
#: The height of the bar chart in the units of its view box.
_BAR_HEIGHT = 100
#: The size of the duration bar in the units of its view box.
_WIDTH, _HEIGHT = 720, 16


@dataclass(frozen=True, slots=True)
class Span:
    """A time range of the bar chart."""

    name: str
    seconds: int
    bars: int

    @property
    def step(self) -> int:
        """Seconds of one bar."""
        return self.seconds // self.bars


SPANS = {span.name: span for span in (Span("1h", 3600, 60), Span("24h", 86_400, 48), Span("7d", 604_800, 56))}


def begin_of(span: Span, now: datetime) -> datetime:
    """Return when the first bar begins.  Bars end on multiples of the step, so that reloading does not move them."""
    step = span.step
    end = datetime.fromtimestamp((now.timestamp() // step + 1) * step, tz=now.tzinfo)
    return end - timedelta(seconds=span.seconds)


def bars(buckets: Sequence[Json], span: Span, begin: datetime) -> Markup:
    """Draw how many executions were created over time, stacked by status; each bar links to its executions.

    The SVG stretches to the page.  The labels stand outside of it, so that they keep their size.
    """
    by_number = {
        round((at - begin).total_seconds() / span.step): bucket
        for bucket in buckets
        if (at := parse_time(bucket["at"])) is not None
    }
    totals = {number: sum(bucket.get(status, 0) for status in STACK) for number, bucket in by_number.items()}
    highest = max(totals.values(), default=0)
    drawn = []
    for number, bucket in sorted(by_number.items()):
        if not 0 <= number < span.bars:
            continue
        since = begin + timedelta(seconds=number * span.step)
        until = since + timedelta(seconds=span.step)
        counts = ", ".join(f"{bucket[s]:,} {s}" for s in STACK if bucket.get(s))
        link = escape(f"/executions?q=since:{since:%Y-%m-%dT%H:%MZ}+until:{until:%Y-%m-%dT%H:%MZ}")
        # For the pointer only: 60 tab stops would be in the way, and a search finds the same.
        drawn.append(f'<a href="{link}" tabindex="-1"><title>{since:%d %b %H:%M}: {counts}</title>')
        drawn.append(f'<path class="hit" d="M{number * 10} 0h10v{_BAR_HEIGHT}h-10z"/>')
        top = float(_BAR_HEIGHT)
        for status in STACK:
            if count := bucket.get(status, 0):
                height = max(1.5, count / highest * _BAR_HEIGHT)
                top -= height
                drawn.append(f'<path class="{status}" d="M{number * 10 + 1} {top:.1f}h8v{height:.1f}h-8z"/>')
        drawn.append("</a>")
    total = plural(sum(totals.values()), "execution")
    format_ = "%d %b" if span.seconds > 86_400 else "%H:%M"
    labels = "".join(
        f"<span>{begin + timedelta(seconds=span.seconds * part):{format_}}</span>" for part in (0, 0.25, 0.5, 0.75, 1)
    )
    scale = f'<span class="scale">{highest:,}</span>' if highest else ""
    return Markup(  # only our numbers and times, and escaped links
        f'<div class="chart">{scale}<svg class="bars" viewBox="0 0 {span.bars * 10} {_BAR_HEIGHT}" '
        f'preserveAspectRatio="none" role="group" aria-label="{total} in {span.name}">{"".join(drawn)}</svg>'
        f'<p class="axis" aria-hidden="true">{labels}</p></div>'
    )


def spark(hours: Sequence[int], failed: Sequence[int] | None = None) -> Markup:
    """Draw the last 24 hours as small bars, with the failures on top in their own colour."""
    highest = max(hours, default=0)
    title = f"{plural(sum(hours), 'execution')} in 24 hours" + (f", {sum(failed):,} failed" if failed else "")
    good_path = bad_path = ""
    for number, count in enumerate(hours):
        if not count:
            continue
        height = max(2.0, count / highest * 20)
        bad = max(2.0, failed[number] / highest * 20) if failed and failed[number] else 0.0
        x = number * 4
        if height > bad:
            good_path += f"M{x} {22 - height:.3g}h3V{22 - bad:.3g}h-3z"
        if bad:
            bad_path += f"M{x} {22 - bad:.3g}h3V22h-3z"
    drawn = "".join(
        f'<path class="{status}" d="{path}"/>'
        for status, path in (("completed", good_path), ("failed", bad_path))
        if path
    )
    return Markup(  # only our numbers
        f'<svg class="spark" viewBox="0 0 96 22" role="img" aria-label="{title}">'
        f'<path class="base" d="M0 21.5h96"/>{drawn}</svg>'
    )


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the tick strip.  Its state is `ran`, `idle`, `late`, `missing`, or `none` before the first tick."""

    at: datetime
    state: str
    ran: int
    #: How many executions were due at its first tick; None if there was no tick, or the number was not recorded.
    due: int | None = None


def minutes(ticks: Sequence[Json], now: datetime) -> list[Minute]:
    """Return the state of each of the last 60 minutes.

    A tick is late if it came more than 90 s after the one before it.  Minutes without a tick are missing once they are
    over; the current minute may still get its tick.
    """
    rows: list[Minute] = []
    last: datetime | None = None
    newest = max((first for tick in ticks if (first := parse_time(tick["first_at"])) is not None), default=None)
    for tick in ticks:
        at, first = parse_time(tick["at"]), parse_time(tick["first_at"])
        assert at is not None
        if first is None:
            is_over = now - at > timedelta(minutes=2) or (newest is not None and newest - at >= timedelta(minutes=1))
            state = "none" if last is None else "missing" if is_over else "idle"
            if tick["ran"]:  # an execution that was called for by id ran without a tick
                state = "ran"
        else:
            late = last is not None and first - last > timedelta(seconds=90)
            state = "late" if late else "ran" if tick["ran"] else "idle"
            last = first
        rows.append(Minute(at, state, tick["ran"], tick["due"]))
    return rows


def strip(rows: Sequence[Minute]) -> Markup:
    """Draw the last hour's ticks, and below them how many executions were due at each."""
    highest = max((row.due or 0 for row in rows), default=0)
    squares = "".join(
        f'<rect class="{row.state}" x="{number * 12}" y="0" width="10" height="18" rx="2">'
        f"<title>{row.at:%H:%M}: {_describe(row)}</title></rect>"
        for number, row in enumerate(rows)
    )
    backlog = "".join(
        f'<rect class="due" x="{number * 12}" y="22" width="10" '
        f'height="{max(1.5, (row.due or 0) / max(highest, 10) * 14):.1f}">'
        f"<title>{row.at:%H:%M}: {row.due:,} due</title></rect>"
        for number, row in enumerate(rows)
        if row.due
    )
    states = ", ".join(f"{sum(r.state == state for r in rows)} {state}" for state in ("ran", "idle", "late", "missing"))
    return Markup(  # only our numbers and words
        f'<svg class="strip{" low" if backlog else ""}" viewBox="0 0 718 {38 if backlog else 18}" '
        f'preserveAspectRatio="none" role="img" aria-label="The last 60 minutes: {states}; at most {highest:,} due">'
        f"{squares}{backlog}</svg>"
    )


def _describe(minute: Minute) -> str:
    started = f"{plural(minute.ran, 'execution')} started"
    text = {
        "ran": started,
        "idle": "tick, nothing due",
        "late": f"tick was late; {started}" if minute.ran else "tick was late",
        "missing": "no tick",
        "none": "no data",
    }[minute.state]
    return text + (f", {minute.due:,} due" if minute.due else "")


@dataclass(frozen=True, slots=True)
class DurationBar:
    """An execution's whole time, drawn to scale, and how many seconds of it were spent running."""

    svg: Markup
    total: float
    running: float


def duration_bar(detail: Json, now: datetime) -> DurationBar | None:
    """Draw the time from the change to the end (or now): queued, running, waiting.  None if it is zero."""
    event, created = detail["event"], parse_time(detail["created_at"])
    begin = parse_time(event["occurred_at"]) if event else created
    end = parse_time(detail["completed_at"]) or now
    if begin is None or end <= begin:
        return None
    history = detail["attempt_history"]
    attempts = [(parse_time(entry.get("began")), parse_time(entry["at"])) for entry in history if entry.get("began")]
    claimed = parse_time(detail["claimed_at"] or detail["started_at"])
    if claimed is not None and claimed not in [first for first, _ in attempts] and detail["status"] != "pending":
        attempts.append((claimed, end))
    total = (end - begin).total_seconds()
    drawn, at, running = [], begin, 0.0
    for first, last in sorted((first, last) for first, last in attempts if first is not None and last is not None):
        first, last = max(first, at), min(max(last, at), end)
        drawn.append(_part("queued" if at == begin else "waiting", begin, at, first, total))
        drawn.append(_part("running", begin, first, last, total))
        running += (last - first).total_seconds()
        at = last
    drawn.append(_part("queued" if at == begin else "waiting", begin, at, end, total))
    title = f"{format_duration(total)} in total, running for {format_duration(running) if running else '0 s'}"
    return DurationBar(
        Markup(  # only our numbers, and an escaped title
            f'<svg class="duration-bar" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(title)}">{"".join(drawn)}</svg>'
        ),
        total,
        running,
    )


def _part(state: str, begin: datetime, first: datetime, last: datetime, total: float) -> str:
    seconds = (last - first).total_seconds()
    is_running = state == "running"
    if seconds <= 0 and not is_running:
        return ""
    x = (first - begin).total_seconds() / total * _WIDTH
    width = max(seconds / total * _WIDTH, 2.5 if is_running else 0.0)  # the shortest attempt stays visible
    return (
        f'<rect class="{state}" x="{min(x, _WIDTH - width):.2f}" y="{0 if is_running else 5}" width="{width:.2f}" '
        f'height="{_HEIGHT if is_running else _HEIGHT - 10}"><title>{state} {format_duration(seconds)}</title></rect>'
    )
