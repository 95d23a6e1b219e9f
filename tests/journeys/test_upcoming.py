"""`minutehand upcoming`: what will run, and cancelling one of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.journeys.app import webhook
from tests.journeys.world import World


def test_what_comes_is_listed_by_time_and_one_of_it_cancelled(world: World) -> None:
    hook = webhook(world.shop.url + "/hook")
    world.app.workflow(hook, name="By hand", trigger_type="manual")
    world.app.workflow(
        hook, name="Every six hours", trigger_type="schedule", trigger_config={"every": "6 hours", "timezone": "UTC"}
    )
    assert world.minutehand("upcoming").stdout.startswith("nothing is to run until ")
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    assert world.minutehand("enqueue", "By hand", "--payload", "{}", "--at", at.isoformat()).returncode == 0
    world.drain()
    listed = world.minutehand("upcoming", "--until", "2 days", "-o", "json")
    items = json.loads(listed.stdout)["items"]
    assert sorted(item["kind"] for item in items) == ["execution", *["schedule"] * 8]
    times = [datetime.fromisoformat(item["at"]) for item in items]
    assert times == sorted(times)
    firings = [datetime.fromisoformat(item["at"]) for item in items if item["kind"] == "schedule"]
    assert {later - earlier for earlier, later in pairwise(firings)} == {timedelta(hours=6)}
    (waits,) = [item for item in items if item["kind"] == "execution"]
    assert (waits["workflow"], datetime.fromisoformat(waits["at"])) == ("By hand", at)

    shown = world.minutehand("upcoming", "--until", "2 days", "--limit", "3")
    assert "Every six hours" in shown.stdout
    assert "and more until " in shown.stderr
    assert world.minutehand("upcoming", "--until", "2 days", "--tenant", "nobody").stdout.startswith(
        "nothing is to run"
    )
    forecast = world.minutehand("workflows", "forecast", "Every six hours", "--for", "1 day", "-o", "json")
    items = json.loads(forecast.stdout)["items"]
    assert [(item["kind"], item["workflow"]) for item in items] == [("schedule", "Every six hours")] * 4
    assert world.minutehand("executions", "cancel", waits["execution_id"]).returncode == 0
    assert "By hand" not in world.minutehand("upcoming", "--until", "2 days").stdout
    assert world.minutehand("upcoming", "--until", "soon").returncode == 2
