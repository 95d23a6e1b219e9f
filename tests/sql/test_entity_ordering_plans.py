"""What lines cost: a long one, however long its history, costs neither its own tenant's claims nor others' anything."""

from __future__ import annotations

from datetime import timedelta

from tests.servers import Database, on_both_servers
from tests.sql.in_line import end, take
from tests.sql.queue_rows import NOW, backlog, claim, ids, pending, seconds, tick, workflow
from tests.sql.test_plans import MANY, reads

pytestmark = on_both_servers
HISTORY = 20_000
PARKED = "select count(*) as n from automation_execution_logs where code = 'earlier_unfinished'"


def test_beside_a_hundred_thousand_that_wait_for_one_claims_read_as_little_as_ever(database: Database) -> None:
    database.sql("alter table automation_execution_logs set (autovacuum_enabled = off)")
    mine = workflow(database)
    backlog(database, mine, HISTORY, status="completed")
    backlog(database, mine, MANY)
    database.sql("update automation_execution_logs set entity_id = 'J-1', entity_order = 'block'")

    # Nothing of it is parked yet: each claim parks a part, and another tenant waits for none of it.
    (other,) = pending(database, workflow(database), user_id="quiet", created_at=NOW - seconds(1))
    held = take(database)
    assert other in held
    end(database, {other: held.pop(other)})
    assert len(held) == 1
    before = database.one(PARKED)["n"]
    take(database)
    assert before + 1000 <= database.one(PARKED)["n"] <= before + 3000

    # All of it is.
    database.sql(
        "update automation_execution_logs set code = 'earlier_unfinished', scheduled_at = %s where status = 'pending'",
        NOW + timedelta(hours=1),
    )
    database.sql("vacuum automation_execution_logs")
    made = pending(database, mine, 60, user_id="user-1") + pending(database, mine, 60, user_id="quiet")
    taken: list[str] = []
    read = reads(database, lambda who: taken.extend(ids(claim(who))))
    assert (len(taken), set(taken) <= set(made)) == (60, True)
    assert read.seq_scans == 0
    assert read.rows <= 120
    database.sql("delete from automation_execution_logs where id = any (%s)", made)
    read = reads(database, tick)
    assert read.seq_scans == 0
    assert read.rows <= 10

    def next_turn(who: Database) -> None:
        nonlocal held
        end(who, held)
        held = take(who)
        assert len(held) == 1

    read = reads(database, next_turn)
    assert read.seq_scans == 0
    assert read.rows <= 250, "it looks at the next hundred places, whether something came due there"
