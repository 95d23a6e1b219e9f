"""All ways of running at once on one database, and deploys meanwhile: nothing is uncertain, nothing lost."""

from __future__ import annotations

from tests.chaos.harness import LONG, Scene, crew, of_size, reckon
from tests.journeys.app import wait_until

#: So many at once that two workers' claims leave some to the others.
AT_ONCE = 600
RATE = 300 if not LONG else 150
EVERYBODY = ("run-once", "--drain"), ("start", "--every", "0.5s"), ("worker",), ("worker",)


def test_all_ways_at_once_and_deploys(scene: Scene) -> None:
    deploys = of_size(4, 100)
    with crew(scene, *EVERYBODY) as everybody:
        flow = of_size(3 * AT_ONCE, 20_000)
        scene.flow(flow, RATE, *[everybody.deploy] * deploys, at_once=AT_ONCE, quiet_seconds=0, between=everybody.again)
        wait_until(lambda: not scene.unfinished(), "the end", 600)
        everybody.leave()
    end = reckon(scene, restarts=deploys)
    end.tell("all ways at once, deploys by SIGTERM")
    query = "select distinct mode from automation_workers w join automation_execution_logs l on l.worker = w.id"
    assert {row["mode"] for row in scene.app.database.sql(query)} == {"run-once", "start", "worker"}, "each had a part"
    assert end.executions == len(scene.jobs)
    assert (end.lost, end.doubled, end.stuck, end.uncertain, end.poisoned) == ([], [], [], 0, 0)
    assert scene.app.database.sql("select * from chaos_losses") == [], "whoever is told to go gives back what it holds"
