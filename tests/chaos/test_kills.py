"""Workers are killed at random while executions flow: each ends once, nobody is written to twice, nothing is stuck."""

from __future__ import annotations

from tests.chaos.harness import LONG, RECOVERED_SECONDS, Scene, crew, holders, of_size, pid_of, reckon
from tests.journeys.app import wait_until

#: Changes a second: less than three workers do on two cores, with what their successors' starts cost.
RATE = 50 if not LONG else 25
WORKERS = 3


def test_killed_workers_lose_and_double_nothing(scene: Scene) -> None:
    kills = of_size(12, 500)
    with crew(scene, *[("worker",)] * WORKERS) as workers:
        wait_until(lambda: len(scene.app.database.sql("select id from automation_workers")) == WORKERS, "the crew")
        scene.flow(of_size(400, 20_000), RATE, *[lambda: workers.kill(holders(scene))] * kills)
        if LONG:  # all by itself, in real time; the short run lets the time pass
            wait_until(lambda: not scene.unfinished(), "the end", 300)
        workers.leave()
    scene.come_to_rest()
    end = reckon(scene, kills=len(workers.killed))
    end.tell("kill -9")
    assert (end.executions, end.kills) == (len(scene.jobs), kills)
    assert (end.lost, end.doubled, end.stuck) == ([], [], [])
    losses = scene.app.database.sql("select id, worker from chaos_losses")
    assert losses, "some died with something in their hands"
    assert {pid_of(row["worker"]) for row in losses} <= workers.killed, "only the dead lost a lease"
    poisoned = scene.app.database.sql("select id from automation_execution_logs where code = 'poisoned'")
    for row in poisoned:
        assert len({loss["worker"] for loss in losses if loss["id"] == row["id"]}) == 3, "three of its workers died"
    assert end.seconds_to_recover <= RECOVERED_SECONDS
