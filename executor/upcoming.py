"""What will run in a period, by time: the executions that wait, the firings of schedules, the dates of rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from minutehand.executor.schedules import upcoming_instants

if TYPE_CHECKING:
    from minutehand.store.records import Upcoming, UpcomingDate, UpcomingItem, UpcomingSchedule


def items_by_time(answer: Upcoming, limit: int) -> tuple[list[UpcomingItem], bool]:
    """Return what `Store.upcoming` answered, by time, with every firing of its schedules; and whether there is more.

    Of each schedule at most `limit` firings are computed, from the first one that the database knows.
    """
    items = list(answer["items"])
    end = datetime.fromisoformat(answer["until"])
    for schedule in answer["schedules"]:
        first = datetime.fromisoformat(schedule["at"])
        later = upcoming_instants(schedule["form"], schedule["zone"], first, end, limit + 1)
        items += [_started("schedule", schedule, at) for at in sorted({first, *later})[: limit + 1]]
    for date in answer["dates"]:
        at = datetime.fromisoformat(date["at"])
        items.append(_started("date", date, at) | {"entity_id": date["entity_id"], "reason": date["offset"]})
    # What is behind the last one of a list that was cut is not known.
    cut = [
        *([answer["items"][-1]["at"]] if answer["more"] else []),
        *([answer["dates"][-1]["at"]] if answer["more_dates"] and answer["dates"] else []),
    ]
    known_to = min(map(datetime.fromisoformat, cut), default=end)
    items = [item for item in items if datetime.fromisoformat(item["at"]) <= known_to]
    items.sort(key=lambda item: datetime.fromisoformat(item["at"]))
    return items[:limit], answer["more"] or answer["more_dates"] or len(items) > limit


def _started(kind: str, by: UpcomingSchedule | UpcomingDate, at: datetime) -> UpcomingItem:
    return {
        "kind": kind,
        "at": at.isoformat(),
        "workflow_id": by["workflow_id"],
        "workflow": by["workflow"],
        "entity_id": None,
        "execution_id": None,
        "tenant": by["tenant"],
        "code": None,
        "reason": None,
        "paused": by["paused"],
    }
