"""PostgreSQL falls and rises while executions flow: nothing is lost, doubled or stuck, and the workers come back."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

from minutehand.store.embedded import Embedded
from tests.chaos.harness import LONG, RECOVERED_SECONDS, Post, Scene, Shop, connected, crew, holders, of_size, reckon
from tests.journeys.app import App, Minutehand, wait_until

RATE = 40 if not LONG else 25


def fall(server: Embedded) -> None:
    """Stop it as `pg_ctl stop -m immediate` does: nothing is said, nothing written."""
    pid_file = server.data / "postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
    wait_until(lambda: not pid_file.exists(), "its fall")


def test_a_database_that_falls_and_rises_loses_and_doubles_nothing(
    own_server: Embedded, shop: Shop, post: Post, tmp_path: Path
) -> None:
    settings = {"max_connections": "200"}  # all that keeps what is committed stays as it comes
    url = own_server.start(settings)
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": url})
    assert minutehand("migrate").returncode == 0
    scene = Scene(App(connected(url)), minutehand, shop, post)
    restarts = of_size(2, 50)
    # Shorter and longer than a call is repeated by itself.
    away = itertools.cycle((0.5, 3.0, 12.0))

    def fall_and_rise() -> None:
        scene.change(10)
        wait_until(lambda: holders(scene), "work to be cut off")
        fall(own_server)
        scene.app.database.connection.close()
        time.sleep(next(away))
        own_server.start(settings)
        scene.app.database = connected(url)

    with crew(scene, ("worker",), ("worker",)) as workers:
        wait_until(lambda: len(scene.app.database.sql("select id from automation_workers")) == 2, "the crew")
        scene.flow(of_size(360, 20_000), RATE, *[fall_and_rise] * restarts)
        if LONG:
            wait_until(lambda: not scene.unfinished(), "the end", 300)
        workers.leave()
    scene.come_to_rest()
    end = reckon(scene, restarts=restarts)
    end.tell("PostgreSQL stopped immediate")
    assert end.executions == len(scene.jobs), "what the app has committed is an execution each"
    assert (end.lost, end.doubled, end.stuck, end.poisoned) == ([], [], [], 0)
    assert end.seconds_to_recover <= RECOVERED_SECONDS
    scene.app.database.connection.close()
