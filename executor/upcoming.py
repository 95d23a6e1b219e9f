"""What will run in a period, by time: the executions that wait, and the firings of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from minutehand.executor.schedules import upcoming_instants

if TYPE_CHECKING:
    from minutehand.store.records import Upcoming, UpcomingItem, UpcomingSchedule


def items_by_time(answer: Upcoming, limit: int) -> tuple[list[UpcomingItem], bool]:
    """Return what `Store.upcoming` answered, with every firing of its schedules, by time; and whether there is more.

    Of each schedule at most `limit` firings are computed, from the first one that the database knows.
    """
    items = list(answer["items"])
    has_more = answer["more"]
    end = datetime.fromisoformat(answer["until"])
    for schedule in answer["schedules"]:
        first = datetime.fromisoformat(schedule["at"])
        later = upcoming_instants(schedule["form"], schedule["zone"], first, end, limit + 1)
        items += [_firing(schedule, at) for at in sorted({first, *later})[: limit + 1]]
    if has_more:  # what is behind the last one that was listed is not known
        last = max(datetime.fromisoformat(item["at"]) for item in answer["items"])
        items = [item for item in items if datetime.fromisoformat(item["at"]) <= last]
    items.sort(key=lambda item: datetime.fromisoformat(item["at"]))
    return items[:limit], has_more or len(items) > limit


def _firing(schedule: UpcomingSchedule, at: datetime) -> UpcomingItem:
    return {
        "kind": "schedule",
        "at": at.isoformat(),
        "workflow_id": schedule["workflow_id"],
        "workflow": schedule["workflow"],
        "entity_id": None,
        "execution_id": None,
        "tenant": schedule["tenant"],
        "code": None,
        "reason": None,
        "paused": schedule["paused"],
    }
