"""automation_workflow_switch and automation_workflow_delete: an app's own switches, and what a deletion leaves."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import adopted, servers
from tests.servers import Database
from tests.sql.jobs import STEPS, adopt, move, watched_jobs, workflow

pytestmark = servers.on_both_servers
ANN = {"via": "cli", "name": "ann@app-1"}


def switch(database: Database, on: bool, *names: str, **more: Any) -> list[Any]:
    return database.call(
        "automation_workflow_switch", p_workflows=list(names or ["tell"]), p_on=on, p_actor=ANN, **more
    )


def switches(database: Database, name: str = "tell") -> dict[str, Any]:
    row = database.one("select to_jsonb(w) as row from automation_workflows w where name = %s", name)["row"]
    return {key: row[key] for key in ("is_active", "enabled", "status") if key in row}


#: The switches of a row, what `enable` sets, and what `disable` then sets.
CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"is_active": False, "enabled": None, "status": "active"}, {"is_active": True}, {"is_active": False}),
    ({"is_active": False, "enabled": False, "status": "Draft"},
     {"is_active": True, "enabled": True, "status": "active"}, {"is_active": False, "enabled": False}),
    ({"is_active": True, "enabled": True, "status": "paused"}, {"status": "active"},
     {"is_active": False, "enabled": False}),
    ({"is_active": None, "enabled": False, "status": None}, {"enabled": True}, {"enabled": False}),
    ({"is_active": None, "enabled": None, "status": "off"}, {"status": "active"}, {"is_active": False}),
    ({"is_active": True, "enabled": None, "status": " ACTIVE"}, {"status": "active"}, {"is_active": False}),
    ({"is_active": True, "enabled": True, "status": "ACTIVE"}, {}, {"is_active": False, "enabled": False}),
    ({"is_active": None, "enabled": None, "status": None}, {}, {"is_active": False}),
]  # fmt: skip


def test_each_switch_that_is_off_is_set_and_named(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table automation_workflows add enabled boolean, alter is_active drop not null, "
                 "alter status drop not null")  # fmt: skip
    for nr, (start, on, off) in enumerate(CASES):
        name = f"w{nr}"
        workflow(database, name, **start)
        version = database.one("select version from automation_workflows where name = %s", name)["version"]
        planned = switch(database, True, name, p_dry_run=True)[0]
        assert (planned["changed"], switches(database, name)) == (on, start), start
        enabled = switch(database, True, name)[0]
        assert (enabled["changed"], enabled["on"]) == (on, True), start
        assert enabled["answer"] == ("enabled" if on else "unchanged")
        assert switches(database, name) == start | on
        assert enabled["version"] == version + bool(on)
        disabled = switch(database, False, name)[0]
        assert (disabled["changed"], disabled["on"], disabled["version"]) == (off, False, version + bool(on) + 1), start
        assert switch(database, False, name)[0]["answer"] == "unchanged"
        kept = database.one(
            "select definition from automation_workflow_versions where workflow_id = %s order by version desc limit 1",
            disabled["id"],
        )
        assert {key: kept["definition"][key] for key in off} == off
    audited = database.sql("select action, actor, detail from automation_audit order by id")
    assert {row["action"] for row in audited} == {"workflow_enable", "workflow_disable"}
    assert audited[-1]["actor"] == ANN
    assert (audited[-1]["detail"]["name"], audited[-1]["detail"]["changed"]) == ("w7", {"is_active": False})


def test_the_apps_own_word_is_written(database: Database) -> None:
    watched_jobs(database)
    database.sql("create type flow_status as enum ('Draft', 'Active'); "
                 "alter table automation_workflows alter status drop default, "
                 "alter status type flow_status using 'Draft'::flow_status")  # fmt: skip
    workflow(database, status="Draft")
    assert switch(database, True)[0]["changed"] == {"status": "Active"}


def test_what_the_database_computes_is_not_written(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    database.sql("alter table automation_workflows drop is_active, "
                 "add is_active boolean generated always as (status = 'active') stored")  # fmt: skip
    assert switch(database, False)[0]["changed"] == {"status": "inactive"}
    assert switch(database, True)[0]["changed"] == {"status": "active"}
    database.sql("alter table automation_workflows add enabled boolean generated always as (false) stored")
    with pytest.raises(psycopg.Error, match="cannot be switched on: the database computes") as caught:
        switch(database, True)
    assert caught.value.sqlstate == "MH409"


def test_all_are_switched_or_none_and_a_refusal_says_why(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    workflow(database, "locked")
    database.sql("create function keep_on() returns trigger language plpgsql as $$ begin "
                 "new.is_active := true; return new; end $$; "
                 "create trigger keep before update on automation_workflows for each row when (new.name = 'locked') "
                 "execute function keep_on()")  # fmt: skip
    for names, state, text in (
        (("tell", "locked"), "MH409", 'workflow "locked" cannot be switched off: a trigger of the app undoes it'),
        (("tell", "other"), "MH404", 'no workflow "other"'),
    ):
        with pytest.raises(psycopg.Error, match=text) as caught:
            switch(database, False, *names)
        assert caught.value.sqlstate == state
        assert caught.value.diag.message_hint
        assert switches(database)["is_active"] is True
    database.sql("alter table automation_workflows add constraint always check (is_active or name <> 'tell')")
    with pytest.raises(psycopg.Error, match=r"the database refuses .*always") as caught:
        switch(database, False)
    assert caught.value.sqlstate == "MH409"


def delete(database: Database, name: str = "tell", **more: Any) -> Any:
    return database.call("automation_workflow_delete", p_workflow=name, p_actor=ANN, **more)


def test_a_deletion_cancels_what_waits_and_keeps_the_history_with_its_name(database: Database) -> None:
    watched_jobs(database, 3)
    workflow(database, settings={"rate_limit": None})
    other = workflow(database, "other", trigger_type="manual")
    for job in ("J-1", "J-2", "J-3"):
        move(database, "completed", job)
    database.sql(
        "update automation_execution_logs set status = 'failed', code = 'x', reason = 'y' where entity_id = 'J-1'"
    )
    database.sql(
        "update automation_execution_logs set scheduled_at = now() + interval '9 days' where entity_id = 'J-2'"
    )
    database.call("automation_pause", p_scope="workflow", p_target="tell")
    planned = delete(database, p_dry_run=True)
    assert (planned["pending"], planned["kept"], planned["cancelled"], planned["pause_removed"]) == (2, 1, 0, True)
    assert database.one("select count(*) from automation_workflows")["count"] == 2
    deleted = delete(database)
    assert (deleted["cancelled"], deleted["kept"], deleted["is_more"], deleted["name"]) == (2, 1, False, "tell")
    assert [str(row["id"]) for row in database.sql("select id from automation_workflows")] == [other]
    assert database.sql("select * from automation_control") == []
    listed = database.call("automation_executions")
    assert {row["entity_id"]: (row["status"], row["reason"], row["workflow"]) for row in listed} == {
        "J-1": ("failed", "y", "tell"),
        "J-2": ("cancelled", 'workflow "tell" was deleted', "tell"),
        "J-3": ("cancelled", 'workflow "tell" was deleted', "tell"),
    }
    assert database.call("automation_execution", p_id=listed[0]["id"])["workflow"] == "tell"
    assert [group["workflow"] for group in database.call("automation_failures")["groups"]] == ["tell"]
    kept = database.one("select deleted_at from automation_workflow_versions where workflow_id = %s", deleted["id"])
    assert kept["deleted_at"]
    (row,) = database.sql("select target, detail from automation_audit where action = 'workflow_delete'")
    assert (row["target"], row["detail"]["name"]) == (deleted["id"], "tell")


def test_a_name_is_not_shown_to_another_tenant(database: Database) -> None:
    watched_jobs(database)
    name = workflow(database, organization_id="north")
    database.sql("insert into automation_execution_logs (workflow_id, organization_id, trigger_type, status) "
                 "values (%s, 'south', 'x', 'failed'), (%s, 'north', 'x', 'failed')", name, name)  # fmt: skip
    delete(database)
    names = {row["workflow"] for row in database.call("automation_executions", p_filter={"tenant": "south"})}
    assert names == {None}
    names = {row["workflow"] for row in database.call("automation_executions", p_filter={"tenant": "north"})}
    assert names == {"tell"}


def test_a_thousand_are_cancelled_in_one_call(database: Database) -> None:
    watched_jobs(database)
    id_ = workflow(database)
    database.sql("insert into automation_execution_logs (workflow_id, trigger_type, status) "
                 "select %s, 'x', 'pending' from generate_series(1, 1003)", id_)  # fmt: skip
    deleted = delete(database)
    assert (deleted["cancelled"], deleted["is_more"]) == (1000, True)
    page = database.call("automation_search", p_filter={"status": "pending", "workflow": id_})
    assert len(page["rows"]) == 3


def test_what_would_lose_the_history_is_refused(empty_database: Database) -> None:
    """In an adopted app a foreign key deletes the executions with their workflow."""
    empty = empty_database
    adopted.old_app(empty)
    adopt(empty)
    id_ = workflow(empty, user_id=adopted.ANNA, organization_id=adopted.NORTH, steps=STEPS)
    empty.sql("insert into automation_execution_logs (workflow_id, organization_id, trigger_type, status) "
              "values (%s, %s, 'x', 'completed')", id_, adopted.NORTH)  # fmt: skip
    with pytest.raises(psycopg.Error, match="would delete or change them with it") as caught:
        delete(empty)
    assert caught.value.sqlstate == "MH409"
    assert "workflows disable" in (caught.value.diag.message_hint or "")
    assert switch(empty, False)[0]["changed"] == {"is_active": False}
    empty.sql("delete from automation_execution_logs")
    assert [key["action"] for key in delete(empty)["also"]] == ["cascade"]


def test_rows_that_refer_to_it_keep_it(database: Database) -> None:
    watched_jobs(database)
    id_ = workflow(database)
    database.sql("create table notes (workflow_id uuid constraint notes_of references automation_workflows)")
    database.sql("insert into notes values (%s)", id_)
    with pytest.raises(psycopg.Error, match=r"rows of notes refer to it \(notes_of\)") as caught:
        delete(database)
    assert caught.value.sqlstate == "MH409"
    assert switches(database)["is_active"] is True
