"""Order per entity while several act at once: nothing of a line overlapping, nobody's call is missed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.in_line import due, end, in_line, parked, take
from tests.sql.queue_rows import NOW, change, claim, ids, row, seconds, session, together, while_open, workflow

pytestmark = on_both_servers


def test_a_claim_beside_another_that_took_a_later_one_waits_for_nobody_and_begins_nothing(database: Database) -> None:
    """A person retries the first while the second is being claimed: of the two, one runs."""
    first, second = in_line(database, 2)
    (other,) = in_line(database, 1, entity="J-2")
    end(database, take(database, p_ids=[first]), "failed", code="bad_step")
    database.sql("set statement_timeout = '60s'")
    with session(database) as another:
        another.sql("begin")
        held = take(another, p_ids=[second])
        assert list(held) == [second]
        database.call("automation_retry", p_ids=[first], p_now=NOW)
        assert list(take(database)) == [other]
        assert row(database, first)["code"] is None
        another.sql("commit")
    assert take(database) == {}
    assert row(database, first)["reason"] == f"waits for execution {second} of the same row"


def test_who_ends_while_a_claim_parks_the_next_calls_it_afterwards(database: Database) -> None:
    _, second = in_line(database, 2)
    held = take(database, p_limit=1)
    change(database, second, scheduled_at=None, code=None)
    while_open(database, claim, lambda mine: end(mine, held))
    assert (parked(database), due(database, second)) == ([], seconds(0))


def test_who_ends_waits_for_a_claim_that_just_misses_the_next(database: Database) -> None:
    """Such a claim found it due, locked it, and then saw that it is parked: it keeps the lock until it commits."""
    _, second = in_line(database, 2)
    held = take(database, p_limit=1)

    def lock(mine: Database) -> None:
        mine.sql("select from automation_execution_logs where id = %s for update", second)

    while_open(database, lock, lambda mine: end(mine, held))
    assert (parked(database), due(database, second)) == ([], seconds(0))


@pytest.mark.parametrize("waits", ["block", "step_aside"])
def test_whoever_claims_ends_retries_and_cancels_a_line_never_overlaps(database: Database, waits: str) -> None:
    """A trigger of the database itself watches: of one line, two are never in flight, and the foremost begins."""
    mine = workflow(database)
    made = [
        one
        for entity in range(5)
        for one in in_line(database, 12, workflow_id=mine, waits=waits, entity=f"J-{entity}", user_id=f"t-{entity % 2}")
    ]
    database.sql(WATCHER)

    def worker(seed: int) -> Callable[[Database], int]:
        def run(mine: Database) -> int:
            lot = random.Random(seed)
            done, idle = 0, 0
            while idle < 5:
                held = take(mine, p_limit=lot.choice([1, 3, 20]))
                idle = 0 if held else idle + 1
                done += len(held)
                for one, lease in sorted(held.items(), key=lambda _: lot.random()):
                    how = lot.choice(["done", "done", "done", "failed", "released", "again", "cancel", "wait"])
                    act(mine, one, lease, how)
            return done

        return run

    def act(mine: Database, one: str, lease: str, how: str) -> None:
        if how == "cancel":
            mine.call("automation_cancel", p_ids=[one], p_now=NOW)
        elif how == "wait":
            end(mine, {one: lease}, "waiting", code="waiting", due_in_seconds=0)
        else:
            end(mine, {one: lease}, "failed" if how == "again" else how)
            if how == "again":
                mine.call("automation_retry", p_ids=[one], p_now=NOW)

    together(database, *[worker(seed) for seed in range(4)])
    rest = take(database, p_limit=1000)
    while rest:
        end(database, rest)
        rest = take(database, p_limit=1000)
    stuck = database.sql("select id, status, code, reason from automation_execution_logs where completed_at is null")
    assert stuck == [], "each was called by the one before it"
    assert len(made) == 60
    assert database.sql("select * from overlapping") == []


WATCHER = """
create table overlapping (id uuid, other uuid);
create table begun (entity_id text, id uuid);
create function watch() returns trigger language plpgsql as $$
begin
  if new.status = 'processing' then
    insert into overlapping select new.id, b.id from begun b where b.entity_id = new.entity_id;
    insert into begun values (new.entity_id, new.id);
  elsif old.status = 'processing' then
    delete from begun where id = new.id;
  end if;
  return null;
end $$;
create trigger watch after update of status on automation_execution_logs
  for each row when (old.status is distinct from new.status) execute function watch();
"""


def test_a_call_and_a_claim_in_a_circle_do_not_wait_for_each_other(database: Database) -> None:
    """Two claims and two ends over the same two lines, each in the other's order, again and again."""
    mine = workflow(database)
    for entity in ("J-1", "J-2"):
        in_line(database, 30, workflow_id=mine, entity=entity)

    def drain(mine: Database) -> list[str]:
        taken: list[str] = []
        idle = 0
        while idle < 10:
            held = take(mine, p_limit=5)
            idle = 0 if held else idle + 1
            taken += held
            if held:
                end(mine, held)
        return taken

    taken = [one for part in together(database, *[drain] * 4) for one in part]
    assert len(taken) == len(set(taken)) == 60
    assert ids(claim(database)) == []
