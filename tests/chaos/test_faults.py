"""A table, a receiver, the gateway or the pooler is in trouble: the others go on, and nothing loops."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from minutehand.scheduler.demo.receivers import Answer, Request
from tests.chaos.harness import Post, Scene, Shop, crew, of_size, reckon
from tests.journeys.app import App, Minutehand, email, wait_until
from tests.journeys.test_gateway_faults import FAULTS, Faulty
from tests.poolers import Pooler, running_pooler
from tests.supabase.stack import Project

RATE = 10
#: How long one trouble lasts, in seconds; what is told as busy asks to be left alone for a second.
LASTS = 3.0
#: Calls of one worker in a second, on average: a loop without a pause makes thousands.
MOST_CALLS = 60
INNOCENT = """
create table invoices (id text primary key, organization_id text, status text)
"""


class BusyShop(Shop):
    """Answers 429 while it is busy."""

    is_busy = False

    def _take(self, request: Request) -> Answer:
        if self.is_busy:
            return Answer(status=429, headers={"Retry-After": "1"})
        return super()._take(request)


class Innocent:
    """Invoices that come while the jobs' table is in trouble: another table's executions, with a message each."""

    def __init__(self, scene: Scene) -> None:
        self._database = scene.app.database
        self._database.sql(INNOCENT)
        self._database.call("automation_trigger_add", p_table="invoices")
        scene.app.workflow(
            email(to="desk@example.com", subject="{{ invoice.id }}", message="paid"),
            name="paid",
            trigger_type="invoice_created",
        )
        self._numbers = itertools.count(1)

    def come(self, seconds: float) -> None:
        """Two in a second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._database.sql("insert into invoices values (%s, 'north', 'paid')", f"I-{next(self._numbers)}")
            time.sleep(0.5)

    def delays(self) -> list[float]:
        """Seconds from the change to the end of its execution, sorted."""
        query = """
            select extract(epoch from completed_at - created_at)::float as seconds from automation_execution_logs
            where trigger_data ->> 'table_name' = 'invoices' and status = 'completed' order by 1
        """
        delays = [row["seconds"] for row in self._database.sql(query)]
        assert len(delays) == next(self._numbers) - 1, "each invoice is told of"
        return delays


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute(f"lock table {table} in access exclusive mode")
        yield


def troubles_of(
    scene: Scene, project: Project, gateway: Faulty, pooler: Pooler, shop: BusyShop, innocent: Innocent
) -> dict[str, Callable[[], None]]:
    """Each trouble begins, lasts while invoices come, and ends."""
    sql = project.database.sql

    def of_sql(begin: str, end: str) -> Callable[[], None]:
        def trouble() -> None:
            scene.change(10)
            sql(begin)
            try:
                innocent.come(LASTS)
            finally:
                sql(end)

        return trouble

    def lock() -> None:
        scene.change(10)
        with locked(project.database.url, "jobs"):
            innocent.come(LASTS)

    def be_busy() -> None:
        shop.is_busy = True
        scene.change(10)
        innocent.come(LASTS)
        shop.is_busy = False

    def be_faulty() -> None:
        faults = itertools.cycle(FAULTS.values())
        gateway.rule = lambda function, number: next(faults) if number % 3 == 0 else None
        scene.change(10)
        innocent.come(LASTS)
        gateway.rule = lambda function, number: None

    def restart() -> None:
        scene.change(10)
        pooler.stop()
        innocent.come(LASTS / 3)
        pooler.start()

    owner = "postgres_hosted"
    return {
        "column renamed": of_sql("alter table jobs rename id to job_no", "alter table jobs rename job_no to id"),
        "status renamed": of_sql("alter table jobs rename status to state", "alter table jobs rename state to status"),
        "table locked": lock,
        "no right on a linked table": of_sql(
            f"revoke select on clients from {owner}", f"grant select on clients to {owner}"
        ),
        "no replica identity": of_sql(
            "alter table communication_logs replica identity nothing;create publication p for table communication_logs",
            "drop publication p; alter table communication_logs replica identity default",
        ),
        "receiver busy": be_busy,
        "gateway": be_faulty,
        "pooler restarted": restart,
    }


def test_what_is_in_trouble_holds_up_nobody_else_and_nothing_is_asked_again_at_once(
    project: Project, post: Post, tmp_path: Path
) -> None:
    database = str(project.database.one("select current_database() as name")["name"])
    with (
        BusyShop() as shop,
        Faulty(project.url) as gateway,
        running_pooler(project.database.url, pool_mode="transaction", default_pool_size="4") as pooler,
    ):
        minutehand = Minutehand(tmp_path, {"DATABASE_URL": pooler.url(database)})
        over_rest = {"SUPABASE_URL": gateway.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
        scene = Scene(App(project.owner), minutehand, shop, post)
        innocent = Innocent(scene)
        troubles = troubles_of(scene, project, gateway, pooler, shop, innocent)
        began = time.monotonic()
        minutehand.environment |= over_rest
        with crew(scene, ("worker",), ("worker", "--backend", "supabase")) as workers:
            wait_until(lambda: len(scene.app.database.sql("select id from automation_workers")) == 2, "the crew")
            for _ in range(of_size(1, 12)):
                scene.flow(of_size(80, 250), RATE, *troubles.values(), quiet_seconds=1)
            wait_until(lambda: not scene.unfinished(), "the end", 300)
            lines = [len(text.splitlines()) for text in workers.heard()]
            seconds = time.monotonic() - began
            workers.leave()
        end = reckon(scene)
        end.tell("tables, receivers, gateway and pooler in trouble")
        delays = innocent.delays()
        print(f"innocent: {len(delays)}, median {delays[len(delays) // 2]:.2f} s, longest {delays[-1]:.2f} s")
        print(f"calls over REST {gateway.calls / seconds:.1f}/s, log lines {[n / seconds for n in lines]}")
        assert (end.lost, end.doubled, end.stuck, end.uncertain, end.poisoned) == ([], [], [], 0, 0)
        assert gateway.calls < MOST_CALLS * seconds
        assert max(lines) < MOST_CALLS * seconds
