"""Executions over time, without counting the past again: a bar that is over for some time is kept."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from dashboard.charts import Span, begin_of
from dashboard.words import moment
from store import Json, Store

#: A bar is counted again until it is so old; by then what it has made has mostly ended.
SETTLED = timedelta(hours=1)
_KEPT = 1000


class History:
    """Counts of one store, by span and bar."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str | None, int, datetime], Json] = OrderedDict()

    async def series(self, span: Span, now: datetime, tenant: str | None) -> list[Json]:
        """Return the bars of a span: `Store.series`, asked only for what may have changed."""
        begin = begin_of(span, now)
        at = [begin + timedelta(seconds=span.step * number) for number in range(span.bars)]
        fresh = next((when for when in at if (tenant, span.step, when) not in self._kept), at[-1])
        end = begin + timedelta(seconds=span.seconds)
        counted = {
            moment(bar["at"]): bar for bar in await self._store.series(fresh, end, seconds=span.step, tenant=tenant)
        }
        for when in at:
            if when >= fresh and when + timedelta(seconds=span.step) + SETTLED <= now:
                self._kept[tenant, span.step, when] = counted.get(when, {"at": when})
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return [bar for when in at if (bar := counted.get(when) or self._kept.get((tenant, span.step, when)))]
