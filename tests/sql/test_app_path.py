"""The app's own triggers on the tables that we write find the app's names, and nobody else's."""

from __future__ import annotations

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import events, executions, move, watched_jobs
from tests.sql.jobs import workflow as jobs_workflow
from tests.sql.queue_rows import NOW, claim, ids, pending, session, settle, tick, token, workflow

pytestmark = on_both_servers

#: As apps write them: no schema, no search_path of their own.  The second writes a table that has such a trigger too.
TRIGGERS = """
create table seen (what text, path text);
create function note_seen() returns trigger language plpgsql as $$
begin
  insert into seen values (tg_table_name || ' ' || tg_op, current_setting('search_path'));
  return new;
end $$;
create trigger note_seen after insert or update on automation_execution_logs
  for each row execute function note_seen();
create trigger note_seen before insert or update on communication_logs for each row execute function note_seen();
create function tell_sales() returns trigger language plpgsql as $$
begin
  insert into communication_logs (status, to_address) values ('simulated', 'sales@example.com');
  return new;
end $$;
create trigger a_teller after update on automation_execution_logs for each row
  when (new.status = 'completed') execute function tell_sales();
"""
PATH = "public, extensions, pg_temp"


@pytest.fixture
def noted(database: Database) -> Database:
    database.sql(TRIGGERS)
    return database


def test_every_verb_that_writes_lets_the_apps_triggers_work(noted: Database) -> None:
    (one, two) = pending(noted, workflow(noted), 2)
    lease = token()
    assert ids(claim(noted, p_token=lease)) == [one, two]
    send = {"id": one, "token": lease, "step": "1", "channel": "email", "recipient": "a@example.com", "key": "k"}
    assert noted.call("automation_reserve_sends", p_sends=[send], p_now=NOW)[0]["answer"] == "go"
    noted.call("automation_confirm_sends", p_sends=[send | {"status": "sent"}], p_now=NOW)
    both = [{"id": each, "token": lease, "ended": "done"} for each in (one, two)]
    assert {answer["status"] for answer in settle(noted, *both).values()} == {"completed"}
    tick(noted)
    seen = noted.sql("select what, count(*) as n from seen group by what order by what")
    assert {row["what"]: row["n"] for row in seen} == {
        "automation_execution_logs INSERT": 2,
        "automation_execution_logs UPDATE": 4,
        "communication_logs INSERT": 3,
        "communication_logs UPDATE": 1,
    }
    ours = noted.sql("select distinct path from seen where what <> 'automation_execution_logs INSERT'")
    assert ours == [{"path": PATH}], "also after a statement within a trigger has ended"


def test_the_path_of_who_calls_is_as_it_was(noted: Database) -> None:
    (one,) = pending(noted, workflow(noted))
    noted.sql("begin")
    noted.sql("set local search_path = ''")
    noted.sql("update public.automation_execution_logs set trigger_type = 'x' where id = %s", one)
    assert noted.one("select current_setting('search_path') as path")["path"] in ("", '""')
    noted.sql("set local search_path = minutehand, public")
    noted.sql("update automation_execution_logs set trigger_type = 'y' where id = %s", one)
    assert noted.one("select current_setting('search_path') as path")["path"] == "minutehand, public"
    noted.sql("commit")
    paths = [row["path"] for row in noted.sql("select path from seen where what like '%%UPDATE'", *())]
    assert paths == [PATH, "minutehand, public"], "an app's own path is its own affair"


def test_a_trigger_that_raises_leaves_the_path_as_it_was(noted: Database) -> None:
    noted.sql(
        """
        create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
        create trigger refuse before update on automation_execution_logs for each row execute function refuse();
        """
    )
    (one,) = pending(noted, workflow(noted))
    with pytest.raises(psycopg.errors.RaiseException):
        noted.call("automation_cancel", p_ids=[one])
    assert noted.one("select current_setting('search_path') as path")["path"] == '"$user", public'


def test_a_least_roles_temporary_table_is_not_taken_for_the_apps(database: Database) -> None:
    """Its change starts an execution, whose insert runs the app's trigger with our rights."""
    watched_jobs(database)
    jobs_workflow(database)
    database.sql(TRIGGERS)
    least = f"least_{database.connection.info.dbname}"
    database.sql(f"create role {least} login; grant update, select on jobs to {least}")
    try:
        with session(Database(database.url.replace("//postgres@", f"//{least}@"), database.connection)) as mine:
            mine.sql("create temporary table seen (what text, path text)")
            mine.sql("set search_path = pg_temp, public")
            move(mine, "done")
            assert mine.sql("select * from pg_temp.seen") == []
        assert len(executions(database)) == len(events(database)) == 1
        assert database.sql("select what, path from seen") == [
            {"what": "automation_execution_logs INSERT", "path": PATH}
        ]
    finally:
        database.sql(f"drop owned by {least}")
        database.sql(f"drop role {least}")
