"""What one tenant's words may cost in the process: rendering, what is claimed ahead, connections (R17)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.budget import MAX_WORK, Budget
from minutehand.executor.templates.render import Renderer
from minutehand.executor.turns import Turns
from minutehand.scheduler.engine.pace import CLAIM_SIZE, Pace
from minutehand.store.drivers import places
from minutehand.store.drivers.postgres import MAX_CONNECTIONS, PostgresDriver
from tests.servers import Database
from tests.sql.queue_rows import session


def test_turns_go_round_the_tenants_one_in_each_round_of_the_loop() -> None:
    order: list[str] = []
    rounds: list[int] = []

    async def costly(turns: Turns, tenant: str) -> None:
        await turns.wait(tenant)
        order.append(tenant)
        rounds.append(count[0])

    count = [0]

    async def others() -> None:
        while len(order) < 8:
            count[0] += 1
            await asyncio.sleep(0)

    async def play() -> None:
        turns = Turns()
        tasks = [costly(turns, "north") for _ in range(6)] + [costly(turns, "south"), costly(turns, "east")]
        await asyncio.gather(*tasks, others())

    asyncio.run(play())
    assert order[:4] == ["north", "south", "east", "north"]
    assert len(set(rounds)) == 8, "others went on between any two"


def test_a_turn_that_is_cancelled_is_passed_on() -> None:
    async def play() -> list[str]:
        turns, order = Turns(), []

        async def costly(tenant: str) -> None:
            await turns.wait(tenant)
            order.append(tenant)

        first, second = asyncio.ensure_future(costly("a")), asyncio.ensure_future(costly("b"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first, second])
        return order

    assert asyncio.run(play()) == ["b"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ row.a }}" * 9_000,
        "{{ " + "1+" * 45_000 + "1 }}",
        "{% for x in row.list %}{{ row.text|upper|length }}{% endfor %}",
        "{{ row.a",
    ],
    ids=["many tags", "a long tag", "a loop over a long text", "an open tag"],
)
def test_the_templates_of_a_step_share_one_budget(template: str) -> None:
    context: dict[str, Any] = {"row": {"a": "x", "list": list(range(50)), "text": "y" * 50_000}}
    budget = Budget()

    def render_again_and_again() -> None:
        for _ in range(30):
            Renderer().render(template, context, budget=budget)

    with pytest.raises(RenderError):
        render_again_and_again()
    assert budget.work <= MAX_WORK + len(template) + 50_000


def test_what_is_claimed_ahead_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pace = Pace(10)
    assert pace.claim_size() == 10, "nothing is known yet"
    for _ in range(500):
        pace.count()
    clock[0] += 1.0
    assert pace.claim_size() == CLAIM_SIZE
    for _ in range(10):
        pace.count()
    clock[0] += 2.0
    assert pace.claim_size() == 10, "slow executions are not claimed far ahead"


def test_calls_that_wait_leave_connections_to_the_queue(database: Database) -> None:
    """Whatever waits for a lock of the app, a claim and a settle have a connection."""
    database.sql(
        "create function automation_write_record(p_wait float) returns jsonb language sql"
        " as 'select pg_advisory_lock(7); select to_jsonb(1)';"
        "create function automation_execution(p_wait float) returns jsonb language sql"
        " as 'select pg_advisory_lock(7); select to_jsonb(2)'"
    )

    async def play() -> Any:
        driver = PostgresDriver(database.url)
        waiting = [
            asyncio.ensure_future(driver.call(name, p_wait=1.0))
            for name in ("automation_write_record", "automation_execution")
            for _ in range(MAX_CONNECTIONS)
        ]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(25):
                return await driver.call("automation_renew", p_tokens=[], p_lease_seconds=60)
        finally:
            for call in waiting:
                call.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await driver.close()

    with session(database) as holder:
        holder.sql("select pg_advisory_lock(7)")
        assert asyncio.run(play()) == []


def test_short_calls_share_a_connection_and_long_ones_open_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection costs the server more than the calls of a short run (store/drivers/places.py)."""
    database.sql(
        "create function automation_execution(p_wait float) returns jsonb language sql"
        " as 'select pg_sleep(p_wait); select to_jsonb(pg_backend_pid())'"
    )

    async def processes(*, wait: float) -> set[int]:
        driver = PostgresDriver(database.url)
        try:
            await driver.call("automation_execution", p_wait=0.0)
            calls = (driver.call("automation_execution", p_wait=wait) for _ in range(2 * MAX_CONNECTIONS))
            return set(await asyncio.gather(*calls))
        finally:
            await driver.close()

    assert len(asyncio.run(processes(wait=0.2))) == MAX_CONNECTIONS - 1, "one is the queue's"
    monkeypatch.setattr(places, "PATIENCE_SECONDS", 10.0)
    assert len(asyncio.run(processes(wait=0.001))) == 1


def test_a_call_that_is_cancelled_while_it_waits_takes_no_place() -> None:
    async def play() -> tuple[bool, bool]:
        open_places = places.OpenPlaces(2)
        async with open_places.one():
            waiting = asyncio.ensure_future(open_places.one().__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with open_places.one():
            second = asyncio.ensure_future(open_places.one().__aenter__())
            await asyncio.sleep(0)
            waits = not second.done()
            await second  # after a moment
            return waits, second.done()

    assert asyncio.run(play()) == (True, True)
