"""Bars of the overview's chart that are over and need not be counted again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta

from minutehand.dashboard.charts import Span, begin_of
from minutehand.dashboard.presentation.formatting import parse_time
from minutehand.store import Json

#: A bar is counted anew until it is this old.  By then, most executions in it have ended.
SETTLED = timedelta(hours=1)
MAX_BARS = 1000


class ChartCache:
    """Bars that were counted once, by tenant, length and begin."""

    def __init__(self) -> None:
        self._bars: OrderedDict[tuple[str | None, int, datetime], Json] = OrderedDict()

    def stale_from(self, span: Span, now: datetime, tenant: str | None) -> datetime:
        """Return when the first bar begins that has to be counted."""
        begins = _begins(span, now)
        return next((begin for begin in begins if (tenant, span.step, begin) not in self._bars), begins[-1])

    def merged(self, span: Span, now: datetime, tenant: str | None, counted: Sequence[Json]) -> list[Json]:
        """Return all bars of a span; `counted` holds those from `stale_from` on."""
        stale_from, known = self.stale_from(span, now, tenant), {parse_time(bar["at"]): bar for bar in counted}
        begins = _begins(span, now)
        for begin in begins:
            if begin >= stale_from and begin + timedelta(seconds=span.step) + SETTLED <= now:
                self._bars[tenant, span.step, begin] = known.get(begin, {"at": begin})
        while len(self._bars) > MAX_BARS:
            self._bars.popitem(last=False)
        return [bar for begin in begins if (bar := known.get(begin) or self._bars.get((tenant, span.step, begin)))]


def _begins(span: Span, now: datetime) -> list[datetime]:
    begin = begin_of(span, now)
    return [begin + timedelta(seconds=span.step * number) for number in range(span.bars)]
