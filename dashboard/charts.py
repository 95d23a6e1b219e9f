"""Small charts as SVG, drawn here: bars over time, sparklines, the strip of beats.  No script, no style attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from minutehand.dashboard.presentation.formatting import parse_time, plural
from minutehand.store import Json

#: What a bar is stacked of, from below.
STACK = ("completed", "processing", "pending", "skipped", "cancelled", "failed")
#: The height of a bar that is full, in the chart's own measure.
_BASE = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is shown: how long, in how many bars."""

    name: str
    seconds: int
    bars: int

    @property
    def step(self) -> int:
        """Seconds of one bar."""
        return self.seconds // self.bars


SPANS = {span.name: span for span in (Span("1h", 3600, 60), Span("24h", 86_400, 48), Span("7d", 604_800, 56))}


def begin_of(span: Span, now: datetime) -> datetime:
    """Return where the first bar begins: bars end on whole steps, so that they do not change with every look."""
    step = span.step
    last = datetime.fromtimestamp((now.timestamp() // step + 1) * step, tz=now.tzinfo)
    return last - timedelta(seconds=span.seconds)


def bars(buckets: Sequence[Json], span: Span, begin: datetime) -> Markup:
    """Draw how many executions were made over time, stacked by how they stand; each bar leads to its executions.

    The bars stretch to whatever room there is; what is written stands outside of them, and stays as large as it is.
    """
    by_number = {
        round((at - begin).total_seconds() / span.step): bucket
        for bucket in buckets
        if (at := parse_time(bucket["at"])) is not None
    }
    sums = {number: sum(bucket.get(status, 0) for status in STACK) for number, bucket in by_number.items()}
    most = max(sums.values(), default=0)
    drawn = []
    for number, bucket in sorted(by_number.items()):
        if not 0 <= number < span.bars:
            continue
        since = begin + timedelta(seconds=number * span.step)
        until = since + timedelta(seconds=span.step)
        told = ", ".join(f"{bucket[s]:,} {s}" for s in STACK if bucket.get(s))
        link = escape(f"/executions?q=since:{since:%Y-%m-%dT%H:%MZ}+until:{until:%Y-%m-%dT%H:%MZ}")
        # For the pointer: 60 stops of the keyboard would be in the way, and the search can say the same.
        drawn.append(f'<a href="{link}" tabindex="-1"><title>{since:%d %b %H:%M}: {told}</title>')
        drawn.append(f'<path class="hit" d="M{number * 10} 0h10v{_BASE}h-10z"/>')
        top = float(_BASE)
        for status in STACK:
            if held := bucket.get(status, 0):
                height = max(1.5, held / most * _BASE)
                top -= height
                drawn.append(f'<path class="{status}" d="M{number * 10 + 1} {top:.1f}h8v{height:.1f}h-8z"/>')
        drawn.append("</a>")
    total = plural(sum(sums.values()), "execution")
    form = "%d %b" if span.seconds > 86_400 else "%H:%M"
    labels = "".join(
        f"<span>{begin + timedelta(seconds=span.seconds * part):{form}}</span>" for part in (0, 0.25, 0.5, 0.75, 1)
    )
    most_told = f'<span class="most">{most:,}</span>' if most else ""
    return Markup(  # numbers and times of our own, and links that are escaped
        f'<div class="chart">{most_told}<svg class="bars" viewBox="0 0 {span.bars * 10} {_BASE}" '
        f'preserveAspectRatio="none" role="group" aria-label="{total} in {span.name}">{"".join(drawn)}</svg>'
        f'<p class="axis" aria-hidden="true">{labels}</p></div>'
    )


def spark(hours: Sequence[int], failed: Sequence[int] | None = None) -> Markup:
    """Draw the last 24 hours as small bars, what failed of it on top of each."""
    most = max(hours, default=0)
    told = f"{plural(sum(hours), 'execution')} in 24 hours" + (f", {sum(failed):,} failed" if failed else "")
    worked = bad = ""
    for number, held in enumerate(hours):
        if not held:
            continue
        height = max(2.0, held / most * 20)
        wrong = max(2.0, failed[number] / most * 20) if failed and failed[number] else 0.0
        x = number * 4
        if height > wrong:
            worked += f"M{x} {22 - height:.3g}h3V{22 - wrong:.3g}h-3z"
        if wrong:
            bad += f"M{x} {22 - wrong:.3g}h3V22h-3z"
    drawn = "".join(
        f'<path class="{kind}" d="{way}"/>' for kind, way in (("completed", worked), ("failed", bad)) if way
    )
    return Markup(  # numbers of our own
        f'<svg class="spark" viewBox="0 0 96 22" role="img" aria-label="{told}">'
        f'<path class="base" d="M0 21.5h96"/>{drawn}</svg>'
    )


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the strip: `ran`, `idle`, `late`, `missing`, or `none`, before there was any beat."""

    at: datetime
    state: str
    ran: int
    #: How many were due at its first look; None: nobody looked, or it is not known.
    due: int | None = None


def minutes(beats: Sequence[Json], now: datetime) -> list[Minute]:
    """Say what each of the last 60 minutes was.

    A beat is late that came more than 90 s after the one before it; where two minutes and more lie between, they are
    missing, too.  The minute that is not over may still get its beat.
    """
    found: list[Minute] = []
    last: datetime | None = None
    newest = max((first for beat in beats if (first := parse_time(beat["first_at"])) is not None), default=None)
    for beat in beats:
        at, first = parse_time(beat["at"]), parse_time(beat["first_at"])
        assert at is not None
        if first is None:
            is_over = now - at > timedelta(minutes=2) or (newest is not None and newest - at >= timedelta(minutes=1))
            state = "none" if last is None else "missing" if is_over else "idle"
            if beat["ran"]:  # who runs what it was called for has no beat
                state = "ran"
        else:
            late = last is not None and first - last > timedelta(seconds=90)
            state = "late" if late else "ran" if beat["ran"] else "idle"
            last = first
        found.append(Minute(at, state, beat["ran"], beat["due"]))
    return found


def strip(shown: Sequence[Minute]) -> Markup:
    """Draw the strip of the last hour, and below it how many were due at each minute's first look."""
    most = max((m.due or 0 for m in shown), default=0)
    squares = "".join(
        f'<rect class="{m.state}" x="{number * 12}" y="0" width="10" height="18" rx="2">'
        f"<title>{m.at:%H:%M}: {_said(m)}</title></rect>"
        for number, m in enumerate(shown)
    )
    backlog = "".join(
        f'<rect class="due" x="{number * 12}" y="22" width="10" '
        f'height="{max(1.5, (m.due or 0) / max(most, 10) * 14):.1f}"><title>{m.at:%H:%M}: {m.due:,} due</title></rect>'
        for number, m in enumerate(shown)
        if m.due
    )
    told = ", ".join(f"{sum(m.state == state for m in shown)} {state}" for state in ("ran", "idle", "late", "missing"))
    told += f"; at most {most:,} due at a look"
    return Markup(  # numbers and words of our own
        f'<svg class="strip{" low" if backlog else ""}" viewBox="0 0 718 {38 if backlog else 18}" '
        f'preserveAspectRatio="none" role="img" aria-label="The last 60 minutes: {told}">{squares}{backlog}</svg>'
    )


def _said(minute: Minute) -> str:
    began = f"{plural(minute.ran, 'execution')} began"
    said = {
        "ran": began,
        "idle": "a look, nothing due",
        "late": f"a look came late; {began}" if minute.ran else "a look came late",
        "missing": "nobody looked",
        "none": "nothing known",
    }[minute.state]
    return said + (f", {minute.due:,} were due" if minute.due else "")
