"""automation_dry_run: what a run of a workflow would see."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import counts, move, watched_jobs, when, workflow

pytestmark = servers.on_both_servers


def preview(database: Database, **arguments: Any) -> Any:
    before = counts(database)
    found = database.call("automation_dry_run", **{"p_workflow": "tell", **arguments})
    assert counts(database) == before
    return found


def codes(found: Any) -> list[str]:
    return [stop["code"] for stop in found["stops"]]


def test_the_newest_change_of_the_row_is_played(database: Database) -> None:
    watched_jobs(database)
    move(database, "planned")
    made = workflow(database, trigger_config=when("status", ["planned"], "changed_to"), settings={"rate_limit": None})
    database.sql("update jobs set title = 'Another' where id = 'J-1'")
    found = preview(database, p_row="J-1")
    assert (found["workflow"]["id"], found["type"], found["entity_id"]) == (made, "job", "J-1")
    assert (found["row"]["title"], found["old"]["title"], found["old"]["status"]) == (
        "Another",
        "Boiler repair",
        "scheduled",
    )
    assert found["trigger_data"] == {
        "table_name": "jobs",
        "operation": "UPDATE",
        "record_id": "J-1",
        "old_status": "scheduled",
        "new_status": "planned",
    }
    assert (found["conditions"]["held"], found["stops"]) == (True, [])
    assert found["since"] is not None


def test_a_row_without_such_a_change_has_no_old(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    found = preview(database, p_row="J-1")
    assert (found["old"], found["since"], found["trigger_data"]["operation"]) == (None, None, "ENQUEUE")


def test_a_payload_alone_plays_an_enqueue(database: Database) -> None:
    workflow(database, trigger_type="manual")
    found = preview(database, p_payload={"amount": 7})
    assert found["trigger_data"] == {"operation": "ENQUEUE", "payload": {"amount": 7}}
    assert (found["row"], found["conditions"], found["stops"]) == (None, None, [])


def test_all_that_would_stop_it_is_told(database: Database) -> None:
    watched_jobs(database)
    made = workflow(database)
    move(database, "done")
    assert codes(preview(database, p_row="J-1")) == ["rate_limited"]
    database.sql("update automation_workflows set trigger_config = %s::jsonb", '{"conditions": {"status": "open"}}')
    database.sql("update automation_workflows set is_active = false")
    database.sql("insert into automation_control (scope, target) values ('workflow', %s)", made)
    found = preview(database, p_row="J-1")
    assert codes(found)[0] == "workflow_off"
    assert {"paused", "conditions", "rate_limited"} < set(codes(found))


def test_what_may_be_written_is_told(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    assert preview(database, p_row="J-1")["writable"] == []
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    assert preview(database, p_row="J-1")["writable"] == ["jobs"]


def test_what_is_not_there_or_anothers_is_refused(database: Database) -> None:
    watched_jobs(database)
    workflow(database, organization_id="south")
    for arguments, state in (({"p_row": "J-1"}, "MH400"), ({"p_row": "J-9"}, "MH404"), ({}, "MH400")):
        with pytest.raises(psycopg.Error) as caught:
            preview(database, **arguments)
        assert caught.value.sqlstate == state
