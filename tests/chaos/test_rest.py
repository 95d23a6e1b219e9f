"""The Supabase backend: workers are killed; the gateway refuses, cuts off and loses replies."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.chaos.harness import LONG, RECOVERED_SECONDS, Post, Scene, Shop, crew, holders, of_size, pid_of, reckon
from tests.journeys.app import App, Minutehand, wait_until
from tests.supabase.proxy import REPLY_LOST, Proxy
from tests.supabase.stack import Project

#: A worker takes some seconds to begin: the client of Supabase is heavy.
RATE = 20
WORKERS = 2
#: Each so-manieth request meets trouble; the same one not again and again, since after some 3 s it is given up.
OFTEN, MOST = 5, 2
ANSWERS = {
    "cut off": Answer(hang_up=True),
    "refused": Answer(status=503, body=b"no healthy upstream"),
    "reply lost": REPLY_LOST,
}


class Gateway(Proxy):
    """Is sometimes away, busy, or gone before it has passed the reply on."""

    def __init__(self, project: str) -> None:
        super().__init__(project)
        self.troubles: Counter[str] = Counter()
        self.is_well = False
        self._kinds = itertools.cycle(ANSWERS)
        self._numbers = itertools.count(1)
        #: How often a request met trouble: one that is repeated has the same body.
        self._met: Counter[bytes] = Counter()

    def _fault(self, request: Request) -> Answer | None:
        kind = self._trouble(request)
        if kind is None:
            self._met.pop(request.body, None)
            return None
        return ANSWERS[kind]

    def _trouble(self, request: Request) -> str | None:
        with self._lock:
            if self.is_well or next(self._numbers) % OFTEN or self._met[request.body] == MOST:
                return None
            self._met[request.body] += 1
            kind = next(self._kinds)
            self.troubles[kind] += 1
            return kind


@pytest.fixture
def gateway(project: Project) -> Iterator[Gateway]:
    """The gateway of a project of the test's own."""
    with Gateway(project.url) as made:
        yield made


def test_over_rest_nothing_is_lost_or_doubled(
    project: Project, gateway: Gateway, shop: Shop, post: Post, tmp_path: Path
) -> None:
    minutehand = Minutehand(tmp_path, {"SUPABASE_URL": gateway.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key})
    scene = Scene(App(project.owner), minutehand, shop, post)
    kills = of_size(2, 60)
    with crew(scene, *[("worker",)] * WORKERS) as workers:
        wait_until(lambda: len(scene.app.database.sql("select id from automation_workers")) == WORKERS, "the crew")
        scene.flow(of_size(160, 4_000), RATE, *[lambda: workers.kill(holders(scene))] * kills, quiet_seconds=3)
        if LONG:
            wait_until(lambda: not scene.unfinished(), "the end", 300)
        wait_until(lambda: len(gateway.troubles) == 3, "each kind of trouble")
        gateway.is_well = True  # or one that must go could not tell what it gives back
        workers.leave()
    scene.come_to_rest()
    end = reckon(scene, kills=len(workers.killed))
    end.tell("kill -9, and a bad line, over REST")
    print(dict(gateway.troubles))
    assert (end.executions, end.kills) == (len(scene.jobs), kills)
    assert (end.lost, end.doubled, end.stuck) == ([], [], [])
    assert set(gateway.troubles) == set(ANSWERS)
    losses = scene.app.database.sql("select id, worker from chaos_losses")
    assert {pid_of(row["worker"]) for row in losses} <= workers.killed, "only the dead lost a lease"
    assert end.seconds_to_recover <= RECOVERED_SECONDS
