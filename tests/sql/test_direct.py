"""Direct mode: the database calls an executor for each new execution, and never hurts the app by it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.direct import FUNCTION, URL, calls, install, on, secret, states
from tests.sql.jobs import at, executions, move, notices, session
from tests.supabase import net_standin

pytestmark = servers.on_both_servers


@pytest.fixture
def app(database: Database) -> Database:
    """An app with watched jobs and a workflow, on a database with pg_net and Vault."""
    install(database)
    return database


def test_each_new_execution_is_called_for_with_the_token_and_nothing_else(app: Database) -> None:
    made = on(app, p_timeout_ms=3000)
    assert made["secret"] == "made"
    assert made["token"] == secret(app)
    move(app, "done")
    (execution,) = executions(app)
    (call,) = calls(app)
    assert (call["method"], call["url"], call["timeout_milliseconds"]) == ("POST", URL, 3000)
    assert call["headers"] == {"Content-Type": "application/json", "Authorization": f"Bearer {made['token']}"}
    ids = {"workflowId": str(execution["workflow_id"]), "executionId": str(execution["id"])}
    assert call["body"] == ids | {"context": {}}
    assert (execution["status"], execution["attempt"], execution["lease_token"]) == ("pending", 0, None)


def test_what_is_not_due_or_not_pending_is_not_called_for(app: Database) -> None:
    on(app)
    insert = "insert into automation_execution_logs (status, scheduled_at) values (%s, now() + %s::interval)"
    app.sql(insert, "pending", "1 hour")
    for status in ("skipped", "processing", "completed"):
        app.sql(insert, status, "-1 hour")
    assert calls(app) == []
    app.sql(insert, "pending", "-1 hour")
    assert len(calls(app)) == 1
    app.sql("update automation_execution_logs set scheduled_at = now() - interval '1 s'")
    assert len(calls(app)) == 1


def test_a_rolled_back_change_calls_nobody(app: Database) -> None:
    on(app)
    with session(app, autocommit=False) as other:
        move(other, "done")
        other.connection.rollback()
    assert calls(app) == []


# --- its settings -----------------------------------------------------------------------------------------------------


def test_on_again_changes_what_is_said_and_keeps_the_token(app: Database) -> None:
    token = on(app)["token"]
    again = on(app)
    assert (again["secret"], again["token"], secret(app)) == ("kept", None, token)
    on(app, p_url="http://10.0.0.5/x", p_timeout_ms=900)
    status = app.call("automation_direct_status")
    assert (status["on"], status["url"], status["timeout_ms"]) == (True, "http://10.0.0.5/x", 900)
    assert status["problems"] == []
    move(app, "done")
    assert [call["url"] for call in calls(app)] == ["http://10.0.0.5/x"]


def test_a_given_token_is_put_into_vault_and_not_told_again(app: Database) -> None:
    given = on(app, p_token="from-the-environment")
    assert (given["secret"], given["token"], secret(app)) == ("given", None, "from-the-environment")
    assert on(app, p_token="from-the-environment")["secret"] == "kept"


def test_rotation_takes_a_new_token_or_makes_one_and_tells_the_previous(app: Database) -> None:
    on(app, p_token="first")
    made = app.call("automation_direct_rotate", p_token="first")  # no new one was given
    assert made["previous"] == "first"
    assert len(made["token"]) == 64
    assert app.call("automation_direct_rotate", p_token="third") == {"token": "third", "previous": made["token"]}
    move(app, "done")
    assert [call["headers"]["Authorization"] for call in calls(app)] == ["Bearer third"]


def test_a_line_break_that_came_with_the_token_does_not_break_the_header(app: Database) -> None:
    on(app)
    app.sql("select vault.update_secret(id, E'a-token\n') from vault.secrets")
    move(app, "done")
    assert [call["headers"]["Authorization"] for call in calls(app)] == ["Bearer a-token"]


def test_off_calls_nobody_and_leaves_nothing_but_the_secret(app: Database) -> None:
    on(app, p_no_claim=True)
    assert app.call("automation_direct_off") == {"was_on": True}
    move(app, "done")
    assert calls(app) == []
    assert states(app) == [("pending", None)]
    assert app.one("select to_regproc(%s)::text as f", FUNCTION) == {"f": None}
    assert app.sql("select from pg_trigger where tgname like 'minutehand_direct%%'", *()) == []
    assert app.call("automation_direct_off") == {"was_on": False}
    assert secret(app)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"p_url": None}, "is no URL"),
        ({"p_url": "automations.example.com"}, "is no URL"),
        ({"p_url": "https://a.example/ b"}, "is no URL"),
        ({"p_timeout_ms": 0}, "timeout"),
        ({"p_token": "two words"}, "token holds"),
        ({"p_token": "line\nbreak"}, "token holds"),
        ({"p_token": "one,two"}, "token holds"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(app: Database, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(psycopg.Error, match=words) as refusal:
        on(app, **wrong)
    assert refusal.value.sqlstate == "MH400"
    assert app.call("automation_direct_status")["on"] is False
    assert app.sql("select from vault.secrets") == []


def test_without_pg_net_or_vault_it_is_refused_by_name(database: Database) -> None:
    for missing in ("pg_net", "Vault"):
        with pytest.raises(psycopg.Error, match=f"has no {missing}") as refusal:
            on(database)
        assert refusal.value.sqlstate == "MH400"
        if missing == "pg_net":
            net_standin.install(database)
            database.sql("drop schema vault cascade")


# --- the app's own function -------------------------------------------------------------------------------------------

OWN = f"""
create function {FUNCTION}() returns trigger language plpgsql as $$
begin
  insert into seen values (tg_op);
  return coalesce(new, old);
end
$$;
create table seen (op text);
create trigger on_job before insert or update or delete on jobs for each row execute function {FUNCTION}();
"""


def test_the_apps_own_function_is_replaced_only_when_asked_and_told_as_it_was(app: Database) -> None:
    app.sql(OWN)
    with pytest.raises(psycopg.Error, match="of its own, called by on_job on jobs") as refusal:
        on(app)
    assert refusal.value.sqlstate == "MH409"
    move(app, "open")
    assert app.sql("select * from seen") == [{"op": "UPDATE"}]

    replaced = on(app, p_replace=True)
    assert "insert into seen" in replaced["replaced"]
    assert replaced["used_by"] == ["on_job on jobs"]
    with notices(app) as heard:
        move(app, "done")
        app.sql("insert into jobs (id) values ('J-9')")
        app.sql("delete from jobs where id = 'J-9'")
    assert heard == []
    assert app.one("select status from jobs where id = 'J-1'") == {"status": "done"}
    assert app.sql("select id from jobs where id = 'J-9'") == []
    assert len(app.sql("select * from seen")) == 1
    assert len(calls(app)) == 1  # ours alone
    assert on(app)["replaced"] is None
    app.call("automation_direct_off")
    move(app, "new")  # its trigger still stands, and does nothing


def test_an_apps_own_trigger_on_the_logs_does_nothing_beside_ours(app: Database) -> None:
    on(app)
    app.sql(
        f"create trigger on_log after insert on automation_execution_logs for each row execute function {FUNCTION}()"
    )
    with notices(app) as heard:
        move(app, "done")
    assert (heard, len(calls(app))) == ([], 1)


def test_a_migration_leaves_the_apps_function_alone_and_renews_ours(app: Database) -> None:
    from minutehand.store.schema import script

    body = "select prosrc from pg_proc where proname = %s"
    app.sql(OWN)
    theirs = app.one(body, FUNCTION)
    app.sql(script())
    assert app.one(body, FUNCTION) == theirs
    on(app, p_replace=True)
    ours = app.one(body, FUNCTION)
    # A comment stays with a body that was replaced under it.
    app.sql(OWN.split("create table")[0].replace("create function", "create or replace function"))
    app.sql(script())
    assert app.one(body, FUNCTION) == theirs
    assert "the function was replaced" in app.call("automation_direct_status")["problems"][0]
    on(app, p_replace=True)
    app.sql(script())
    assert app.one(body, FUNCTION) == ours


def test_the_function_has_the_shape_of_a_trigger_of_ours_and_is_closed(app: Database) -> None:
    on(app)
    row = app.one(
        "select prosecdef, proconfig, proacl::text as acl, obj_description(oid, 'pg_proc') as comment"
        " from pg_proc where proname = %s", FUNCTION,
    )  # fmt: skip
    assert row["prosecdef"]
    assert {"search_path=pg_catalog, pg_temp", "lock_timeout=250ms"} <= set(row["proconfig"])
    assert row["comment"].startswith("minutehand: ")
    assert "{=" not in row["acl"]
    assert ",=" not in row["acl"]


def test_a_trigger_made_elsewhere_is_never_shown_the_token(app: Database) -> None:
    on(app)
    app.sql("create temporary table automation_execution_logs (like public.automation_execution_logs)")
    config = json.dumps({"url": "https://evil.example/", "timeout_ms": 5000, "no_claim": False})
    app.sql(
        f"create trigger minutehand_direct after insert on pg_temp.automation_execution_logs for each row"
        f" execute function {FUNCTION}('{config}')"
    )
    with notices(app) as heard:
        app.sql(
            "insert into pg_temp.automation_execution_logs (id, status, created_at)"
            " values (gen_random_uuid(), 'pending', now())"
        )
    assert heard == []
    assert calls(app) == []


# --- a function that does not claim -----------------------------------------------------------------------------------


def test_without_a_claim_the_row_is_processing_from_its_insert_under_a_lease_that_outlasts_the_function(
    app: Database,
) -> None:
    on(app, p_no_claim=True)
    at(app, "2030-01-01T00:00:00Z")
    move(app, "done")
    (execution,) = executions(app)
    assert states(app) == [("processing", "direct")]
    assert (execution["attempt"], execution["max_attempts"]) == (1, 5)
    assert (execution["lease_expires_at"] - execution["started_at"]).total_seconds() == 480
    (call,) = calls(app)
    assert call["body"]["context"] == {"trigger_data": execution["trigger_data"], "job_id": "J-1", "jobId": "J-1"}
    app.call("automation_tick", p_now="2030-01-01T00:07:59Z")
    assert states(app) == [("processing", "direct")]
    app.call("automation_tick", p_now="2030-01-01T00:08:01Z")
    assert [row["code"] for row in executions(app)] == ["lost_lease"]
    assert states(app) == [("pending", "direct")]


def test_what_the_function_marked_itself_ends_so(app: Database) -> None:
    on(app, p_no_claim=True)
    at(app, "2030-01-01T00:00:00Z")
    move(app, "done")
    app.sql("update automation_execution_logs set status = 'completed', actions_executed = '[]', completed_at = now()")
    app.call("automation_tick", p_now="2030-01-01T00:08:01Z")
    (execution,) = executions(app)
    assert (execution["status"], execution["lease_expires_at"]) == ("completed", None)


def test_what_waits_or_is_paused_is_not_begun(app: Database) -> None:
    on(app, p_no_claim=True)
    app.sql("insert into automation_execution_logs (scheduled_at) values (now() + interval '1 hour')")
    app.sql("insert into automation_control (scope) values ('all')")
    move(app, "done")
    assert states(app) == [("pending", None)] * 2
    assert calls(app) == []


def test_a_row_that_another_has_already_is_neither_begun_nor_called_for(app: Database) -> None:
    on(app, p_no_claim=True)
    move(app, "done")
    app.sql(
        "insert into automation_execution_logs (event_id, workflow_id) select event_id, workflow_id"
        " from automation_execution_logs on conflict (event_id, workflow_id)"
        " where event_id is not null and replay_of is null do nothing"
    )
    assert len(calls(app)) == 1
