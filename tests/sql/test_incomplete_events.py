"""A change of a row that lacks a column that its watch needs is kept, and is matched when that is mended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import counts, events, executions, match, notices, watched_jobs, workflow
from tests.sql.queue_rows import tick

pytestmark = on_both_servers


def change(database: Database, *statements: str) -> list[str]:
    """Run the app's statements; returns what the server says beside its answers."""
    with notices(database) as heard:
        for statement in statements:
            database.sql(statement)
    return heard


def match_again(database: Database) -> Any:
    database.sql("update automation_events set match_after = null")
    return match(database)


@pytest.mark.parametrize(
    "mend", ["select automation_trigger_add('jobs', p_id => 'job_no')", "alter table jobs rename job_no to id"]
)
def test_a_change_after_the_key_was_renamed_starts_its_execution_when_that_is_mended(
    database: Database, mend: str
) -> None:
    watched_jobs(database, count=2)
    workflow(database)
    database.sql("alter table jobs rename id to job_no")
    assert change(database, "update jobs set status = 'done'", "delete from jobs where job_no = 'J-2'") == []
    assert counts(database) == (3, 3, 0)
    event = events(database)[0]
    assert (event["entity_id"], event["missing_columns"], event["new"]["job_no"]) == (None, ["id"], "J-1")
    assert "table jobs has no column id" in event["error"]
    assert "minutehand trigger add jobs --id COLUMN" in event["error"]
    for _ in range(7):
        assert match_again(database)["set_aside"] == 0, "it waits for as long as it takes"
    assert counts(database) == (3, 3, 0)
    database.sql(mend)
    assert match_again(database) == {"matched": 3, "executions": 2, "set_aside": 0}
    assert [row["entity_id"] for row in executions(database)] == ["J-1", "J-2"]
    assert [(row["entity_id"], row["error"], row["missing_columns"]) for row in events(database)] == [
        ("J-1", None, None), ("J-2", None, None), ("J-2", None, None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mend", "options"),
    [
        ("select automation_trigger_add('jobs', p_status => 'state')", {}),
        ("alter table jobs rename state to status", {}),
        ("alter table jobs rename state to status", {"p_exclude": ["search"]}),
    ],
)
def test_a_change_of_status_is_seen_when_its_column_is_there_again(
    database: Database, mend: str, options: dict[str, Any]
) -> None:
    watched_jobs(database, **options)
    workflow(database, trigger_type="job_done")
    database.sql("alter table jobs rename status to state")
    change(database, "update jobs set state = 'Done'")
    assert counts(database) == (1, 1, 0)
    assert "--status COLUMN" in events(database)[0]["error"]
    database.sql(mend)
    assert match_again(database)["executions"] == 1
    (made,) = executions(database)
    assert (made["trigger_data"]["old_status"], made["trigger_data"]["new_status"]) == ("scheduled", "Done")


def test_without_the_tenants_column_no_other_tenant_is_taken(database: Database) -> None:
    watched_jobs(database)
    database.sql("update jobs set user_id = 'ann'")
    workflow(database, organization_id=None, user_id="ann")
    workflow(database, "north's")
    before = counts(database)[0]
    database.sql("alter table jobs rename organization_id to org")
    change(database, "update jobs set status = 'done'")
    assert counts(database) == (before + 1, 1, 0), "not the user's workflow, and not by mistake nobody's"
    database.sql("alter table jobs rename org to organization_id")
    match_again(database)
    assert [(row["name"], row["organization_id"]) for row in executions(database)] == [("north's", "north")]


def test_a_row_of_nobody_is_told_when_its_tenants_column_is_there_again(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table jobs rename organization_id to org")
    change(database, "update jobs set status = 'done', org = null")
    database.sql("alter table jobs rename org to organization_id")
    match_again(database)
    (event,) = events(database)
    assert (event["matched_at"] is not None, event["error"]) == (True, "no tenant: organization_id is null")


def test_a_change_that_never_had_the_column_starts_nothing_and_says_so(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    database.sql("alter table jobs drop column status")
    change(database, "update jobs set title = 'x'")
    database.sql("alter table jobs add status text, add extra text")
    match_again(database)
    assert counts(database) == (1, 1, 0)
    assert "had no column status when it changed" in events(database)[0]["error"]


def test_a_status_column_that_was_never_there_is_not_missed(database: Database) -> None:
    database.sql("create table visits (id text primary key, organization_id text, note text)")
    database.call("automation_trigger_add", p_table="visits")
    workflow(database, trigger_type="visit_updated")
    database.sql("insert into visits values ('V-1', 'north'); update visits set note = 'x'")
    assert counts(database) == (2, 0, 1)


def test_a_trigger_of_an_earlier_version_names_its_key_and_tenant(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    config = database.one("select config::text as said from minutehand.watched")["said"]
    database.sql(
        'create or replace trigger "!minutehand_capture" after insert or update or delete on jobs for each row'
        f" execute function automation_capture('{config}')"
    )
    assert database.one("select needs from minutehand.watched")["needs"] == ["id", "organization_id"]
    database.sql("update jobs set status = 'done'")
    assert counts(database) == (1, 0, 1)
    database.sql("alter table jobs rename id to job_no; update jobs set status = 'late'")
    assert counts(database) == (2, 1, 1)
    assert database.call("automation_trigger_add", p_table="jobs", p_id="job_no")["id"] == "job_no"
    tick(database)
    assert len(database.one("select needs from minutehand.watched")["needs"]) == 3
