"""Date triggers, from the command line, on both backends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.journeys.app import wait_until
from tests.journeys.world import World, sms

DAY = timedelta(days=1)
REMIND = {"table": "jobs", "column": "starts", "offset": "24 hours before"}


def test_a_reminder_leaves_once_and_moves_with_its_date(world: World) -> None:
    """Scenario 19: of two visits the one that was moved is not reminded, nor one that was booked too late."""
    world.app.database.sql("alter table jobs add starts timestamptz; create index on jobs (starts, id)")
    world.app.workflow(
        sms("Tomorrow: {{ job.id }}, {{ trigger.date.offset }}"),
        name="Remind",
        trigger_type="date",
        trigger_config=REMIND,
    )
    world.minutehand.run_once()
    soon = datetime.now(UTC) + DAY + timedelta(seconds=3)
    kept, moved = world.job("scheduled", starts=soon), world.job("scheduled", starts=soon)
    world.job("scheduled", starts=datetime.now(UTC) + timedelta(hours=3))
    world.app.database.sql("update jobs set starts = starts + interval '3 days' where id = %s", moved)

    def has_left() -> bool:
        world.app.database.sql("update minutehand.date_scans set look_at = now()")  # a minute has passed
        world.drain()
        return bool(world.sms())

    wait_until(has_left, "the reminder leaves")
    assert not has_left() or len(world.sms()) == 1
    assert world.sms() == [("+12025550123", f"Tomorrow: {kept}, 24 hours before")]
    found = json.loads(world.minutehand("explain", "workflow:Remind", "-o", "json").stdout)
    assert "24 hours before starts" in found["answers"][0]["reason"]


def test_a_table_without_the_index_is_named_everywhere(world: World) -> None:
    world.app.database.sql("alter table jobs add starts timestamptz")
    world.app.workflow(sms(), name="Remind", trigger_type="date", trigger_config=REMIND)
    world.minutehand.run_once()
    (row,) = json.loads(world.minutehand("workflows", "ls", "-o", "json").stdout)
    assert row["state"] == "will never run"
    assert "create index concurrently on jobs (starts, id)" in row["problems"][0]
    assert "create index concurrently on jobs (starts, id)" in world.minutehand("doctor").stdout
