"""Eligibility has one home: the claim, the look, the reservation, the dry run and the counts give one answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, claimed, ids, pending, tick, token, workflow

pytestmark = on_both_servers
PAUSE = "insert into automation_control (scope, target) values (%s, %s)"


def send(execution: str, lease: str, **more: Any) -> dict[str, Any]:
    place = {"step": "1", "channel": "sms", "recipient": "+15550001", "sender": "+1", "key": execution}
    return {"id": execution, "token": lease, **place, **more}


@pytest.mark.parametrize("scope", ["all", "tenant", "workflow"])
def test_every_caller_obeys_a_pause(database: Database, scope: str) -> None:
    mine = workflow(database, trigger_type="manual")
    one, _ = pending(database, mine, 2)
    lease = token()
    assert ids(claim(database, 1, p_token=lease)) == [one]
    database.sql(PAUSE, scope, {"all": "", "tenant": "user-1", "workflow": mine}[scope])

    answer = claim(database)
    assert (ids(answer), answer["suspects"], answer["next_seconds"]) == ([], False, None)
    assert claimed(database, p_ids=[one]) == []
    assert (tick(database)["due"], tick(database)["next_seconds"]) == (0, None)
    metrics = database.call("automation_metrics", p_now=NOW)
    assert (metrics["due"], metrics["oldest_due_seconds"]) == (0, None)
    assert database.one("select minutehand.facts_queue(%s) as facts", NOW)["facts"]["stale"] == 0

    (look,) = database.call("automation_context", p_items=[{"id": one, "token": lease}], p_now=NOW)
    assert (look["stop"]["ended"], look["stop"]["code"]) == ("released", "paused")
    (reserved,) = database.call("automation_reserve_sends", p_sends=[send(one, lease)], p_now=NOW)
    assert (reserved["answer"], reserved["code"]) == ("paused", "paused")
    dry_run = database.call("automation_dry_run", p_workflow=mine, p_payload={}, p_now=NOW)
    assert [stop["code"] for stop in dry_run["stops"]] == ["paused"]


def test_a_pause_decides_before_an_opt_out_and_an_opt_out_before_a_limit(database: Database) -> None:
    mine = workflow(database)
    (one,) = pending(database, mine)
    lease = token()
    claim(database, p_token=lease)

    def reserved() -> Any:
        (answer,) = database.call("automation_reserve_sends", p_sends=[send(one, lease)], p_now=NOW)
        return answer["answer"], answer["code"]

    database.call("automation_limit_set", p_scope="recipient", p_n=0)
    assert reserved() == ("refused", "recipient_limit")
    database.sql("insert into automation_opt_outs (channel, address) values ('sms', '+15550001')")
    assert reserved() == ("refused", "opted_out")
    database.sql(PAUSE, "all", "")
    assert reserved() == ("paused", "paused")


def test_the_dry_run_names_every_reason_and_the_look_the_first(database: Database) -> None:
    mine = workflow(database, trigger_type="manual", is_active=False)
    (one,) = pending(database, mine)
    lease = token()
    claim(database, p_token=lease)
    database.sql(PAUSE, "workflow", mine)
    (look,) = database.call("automation_context", p_items=[{"id": one, "token": lease}], p_now=NOW)
    assert (look["stop"]["ended"], look["stop"]["code"]) == ("skipped", "workflow_off")
    dry_run = database.call("automation_dry_run", p_workflow=mine, p_payload={}, p_now=NOW)
    assert [stop["code"] for stop in dry_run["stops"]] == ["workflow_off", "paused"]


def test_its_functions_become_part_of_the_query_so_that_the_indexes_serve(database: Database) -> None:
    queries = {
        "automation_execution_logs_queue": "minutehand.tenant_of(l) = 'a' order by minutehand.due_at(l), l.id",
        "automation_execution_logs_due": ("minutehand.is_of_all(l) order by minutehand.due_of_all(l), l.id"),
        "automation_execution_logs_suspects": "minutehand.is_suspect(l) order by minutehand.due_at(l), l.id",
    }
    database.sql("set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off")
    for index, condition in queries.items():
        query = f"select l.id from automation_execution_logs l where l.status = 'pending' and {condition} limit 5"
        plan = "\n".join(line["QUERY PLAN"] for line in database.sql(f"explain {query}"))
        assert f"Index Scan using {index}" in plan
        assert "Sort" not in plan
        assert "minutehand." not in plan
