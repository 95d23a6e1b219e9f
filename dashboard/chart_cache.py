"""Executions over time, without counting the past again: a bar that is over for some time is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta

from minutehand.dashboard.charts import Span, begin_of
from minutehand.dashboard.presentation.formatting import parse_time
from minutehand.store import Json

#: A bar is counted again until it is so old; by then what it has made has mostly ended.
SETTLED = timedelta(hours=1)
_KEPT = 1000


class ChartCache:
    """Bars that were counted once, by tenant, length and begin."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str | None, int, datetime], Json] = OrderedDict()

    def stale_from(self, span: Span, now: datetime, tenant: str | None) -> datetime:
        """Return where the bars begin that have to be counted."""
        at = _begins(span, now)
        return next((when for when in at if (tenant, span.step, when) not in self._kept), at[-1])

    def merged(self, span: Span, now: datetime, tenant: str | None, counted: Sequence[Json]) -> list[Json]:
        """Return all bars of a span, of which those from `stale_from` on were counted just now."""
        fresh, known = self.stale_from(span, now, tenant), {parse_time(bar["at"]): bar for bar in counted}
        at = _begins(span, now)
        for when in at:
            if when >= fresh and when + timedelta(seconds=span.step) + SETTLED <= now:
                self._kept[tenant, span.step, when] = known.get(when, {"at": when})
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return [bar for when in at if (bar := known.get(when) or self._kept.get((tenant, span.step, when)))]


def _begins(span: Span, now: datetime) -> list[datetime]:
    begin = begin_of(span, now)
    return [begin + timedelta(seconds=span.step * number) for number in range(span.bars)]
