"""automation_workflow_save: a workflow saved by its name within its tenant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests import adopted, servers
from tests.servers import Database
from tests.sql.jobs import STEPS, adopt, session, watched_jobs, when, workflow

pytestmark = servers.on_both_servers

THANKS = {
    "name": "Thanks",
    "organization_id": "north",
    "trigger_type": "job_completed",
    "trigger_config": {},
    "steps": STEPS,
    "settings": {},
}


def save(database: Database, **said: Any) -> Any:
    return database.call("automation_workflow_save", p_workflow=THANKS | said)


def refused(database: Database, said: Any) -> tuple[str | None, str]:
    with pytest.raises(psycopg.Error) as caught:
        database.call("automation_workflow_save", p_workflow=said)
    assert caught.value.diag.message_hint
    return caught.value.sqlstate, caught.value.diag.message_primary or ""


def rows(database: Database) -> list[dict[str, Any]]:
    return database.sql("select * from automation_workflows order by created_at, id")


def test_it_is_created_updated_and_left_alone(database: Database) -> None:
    watched_jobs(database)
    created = save(database)
    (row,) = rows(database)
    assert (row["is_active"], row["status"], row["steps"], row["organization_id"]) == (True, "active", STEPS, "north")
    assert {name: created[name] for name in ("answer", "id", "name", "version", "changed", "dry_run")} == {
        "answer": "created",
        "id": str(row["id"]),
        "name": "Thanks",
        "version": 1,
        "changed": ["is_active", "name", "organization_id", "status", "steps", "trigger_type"],
        "dry_run": False,
    }
    facts = ("problem", "steps_problem", "emitted", "lacks_tenant", "unknown_statuses")
    assert [created[name] for name in facts] == [
        None, None, True, False, [{"word": "completed", "type": "job", "known": ["scheduled"]}],
    ]  # fmt: skip
    again = save(database)
    assert (again["answer"], again["version"], again["changed"]) == ("unchanged", 1, [])
    updated = save(database, trigger_config=when("status", "completed"))
    assert (updated["answer"], updated["version"], updated["changed"]) == ("updated", 2, ["trigger_config"])
    (after,) = rows(database)
    assert after["trigger_config"] == when("status", "completed")
    assert after["updated_at"] > row["updated_at"]


def test_what_is_not_said_stays(database: Database) -> None:
    workflow(database, "Thanks", is_active=False, status="paused", settings={"rate_limit": None})
    answer = database.call(
        "automation_workflow_save",
        p_workflow={"name": "Thanks", "organization_id": "north", "trigger_type": "x_created"},
    )
    (row,) = rows(database)
    assert answer["changed"] == ["trigger_type"]
    assert (row["is_active"], row["status"], row["settings"]) == (False, "paused", {"rate_limit": None})


def test_a_dry_run_writes_nothing_and_says_the_same(database: Database) -> None:
    dry = database.call("automation_workflow_save", p_workflow=THANKS, p_dry_run=True)
    assert (dry["answer"], dry["id"], dry["version"], dry["dry_run"]) == ("created", None, 1, True)
    assert rows(database) == []
    save(database)
    dry = database.call("automation_workflow_save", p_workflow=THANKS | {"steps": STEPS * 2}, p_dry_run=True)
    assert (dry["answer"], dry["version"], dry["changed"]) == ("updated", 2, ["steps"])
    assert rows(database)[0]["steps"] == STEPS


def test_names_are_within_a_tenant(database: Database) -> None:
    north = save(database)["id"]
    south = save(database, organization_id="south")
    own = save(database, organization_id=None, user_id="u-1")
    assert [south["answer"], own["answer"]] == ["created", "created"]
    assert len({north, south["id"], own["id"]}) == 3
    assert save(database, organization_id=None, user_id="u-1")["id"] == own["id"]
    nobody = {key: value for key, value in THANKS.items() if key != "organization_id"}
    assert refused(database, nobody) == ("MH409", 'there are 3 workflows named "Thanks"')
    assert database.call("automation_workflow_save", p_workflow=nobody | {"id": south["id"]})["id"] == south["id"]


def test_without_a_tenant_the_only_one_of_that_name_is_meant(database: Database) -> None:
    first = save(database)["id"]
    answer = database.call("automation_workflow_save", p_workflow={"name": "Thanks", "steps": []})
    assert (answer["id"], answer["answer"], rows(database)[0]["organization_id"]) == (first, "updated", "north")


def test_what_cannot_be_saved_is_refused_by_name(database: Database) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert refused(database, {"steps": []}) == ("MH400", "the workflow has no name")
    assert refused(database, {"name": "  "}) == ("MH400", "the workflow has no name")
    assert refused(database, [])[0] == "MH400"
    assert refused(database, THANKS | {"execution_count": 7}) == (
        "MH400",
        'a workflow\'s column "execution_count" is not written by Minutehand',
    )
    assert refused(database, THANKS | {"template_config": {}}) == (
        "MH400",
        'this database\'s automation_workflows has no column "template_config"',
    )
    assert refused(database, THANKS | {"id": nobody}) == ("MH404", f"there is no workflow with the id {nobody}")
    assert rows(database) == []


def test_the_answer_brings_the_facts_of_the_workflow(database: Database) -> None:
    watched_jobs(database)
    assert save(database, trigger_config=when("status", 1, "starts_withh"))["problem"].startswith("conditions: ")
    assert save(database, steps=[])["steps_problem"] == "it has no steps"
    assert save(database, trigger_type="invoice_paid")["emitted"] is False
    nobody = THANKS | {"name": "Nobody's", "organization_id": None}
    answer = database.call("automation_workflow_save", p_workflow=nobody, p_dry_run=True)
    assert (answer["problem"], answer["lacks_tenant"]) == (None, True)
    (item,) = save(database, trigger_type="job_status_changed", trigger_config=when("status", "compleet"))[
        "unknown_statuses"
    ]
    assert item == {"word": "compleet", "type": "job", "known": ["scheduled"]}


def test_two_sessions_that_save_one_name_make_one(database: Database) -> None:
    with session(database, autocommit=False) as one, session(database) as two, ThreadPoolExecutor(1) as thread:
        first = save(one)
        second = thread.submit(save, two)
        while not database.one("select count(*) as n from pg_locks where not granted")["n"]:
            assert not second.done()
        one.connection.commit()
        assert second.result(timeout=60) | {"answer": "created", "changed": first["changed"]} == first
    assert len(rows(database)) == 1


def test_it_is_saved_into_an_apps_own_table(empty_database: Database) -> None:
    database = empty_database
    adopted.old_app(database)
    adopt(database)
    said = THANKS | {
        "organization_id": adopted.NORTH,
        "user_id": adopted.ANNA,
        "template_config": {"steps": [{"type": "email"}]},
        "enabled": True,
    }
    assert database.call("automation_workflow_save", p_workflow=said)["answer"] == "created"
    assert database.call("automation_workflow_save", p_workflow=said)["answer"] == "unchanged"
    row = database.one("select * from automation_workflows where name = 'Thanks'")
    assert (row["template_config"], row["enabled"], row["execution_count"]) == (said["template_config"], True, 0)
    assert refused(database, said | {"name": "Other", "user_id": None}) == (
        "MH400",
        'this database\'s automation_workflows requires user_id of workflow "Other"',
    )


def test_a_column_that_jsonb_refuses_is_mended_by_saving_it(empty_database: Database) -> None:
    database = empty_database
    adopted.old_app(database)
    adopt(database)
    said = THANKS | {"organization_id": adopted.NORTH, "user_id": adopted.ANNA}
    made = database.call("automation_workflow_save", p_workflow=said)["id"]
    database.sql("update automation_workflows set steps = %s::json where id = %s", '["\\u0000"]', made)
    answer = database.call("automation_workflow_save", p_workflow=said)
    assert (answer["id"], answer["answer"], answer["problem"]) == (made, "updated", None)
    assert database.one("select steps from automation_workflows where id = %s", made)["steps"] == STEPS
