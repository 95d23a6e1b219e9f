"""What a workflow was at some time: from the versions that are kept, and said as unknown where they do not reach."""

from __future__ import annotations

from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import at, session, workflow

pytestmark = servers.on_both_servers

EIGHT, NINE, TEN, ELEVEN, NOON = (f"2030-01-01T{hour:02}:00:00Z" for hour in range(8, 13))


def state(database: Database, made: str, instant: str) -> dict[str, Any]:
    """The workflow at this time."""
    return database.one("select * from minutehand.workflow_at(%s, %s)", made, instant)


def made_at(database: Database, instant: str, name: str = "one", **columns: Any) -> str:
    """A workflow that is created at this time."""
    at(database, instant)
    return workflow(database, name, created_at=columns.pop("created_at", instant), **columns)


def change(database: Database, instant: str, values: str) -> None:
    """Change all workflows at this time, as an app does it."""
    at(database, instant)
    database.sql(f"update automation_workflows set {values}")


@pytest.mark.parametrize("switch", ["is_active = false", "status = 'paused'", "enabled = false"])
def test_each_switch_is_as_it_was(database: Database, switch: str) -> None:
    database.sql("alter table automation_workflows add enabled boolean default true")
    made = made_at(database, EIGHT)
    change(database, NINE, switch)
    change(database, ELEVEN, "is_active = true, status = 'active', enabled = true, name = 'two'")
    found = [state(database, made, instant) for instant in (EIGHT, NINE, TEN, ELEVEN, NOON)]
    assert [(one["version"], one["is_on"], one["existed"], one["known"]) for one in found] == [
        (1, True, True, True),
        (2, False, True, True),
        (2, False, True, True),
        (3, True, True, True),
        (3, True, True, True),
    ]
    name = switch.split(" ", maxsplit=1)[0]
    assert found[2]["switches"][name] == {"status": "paused"}.get(name, False)
    assert (found[2]["since"].hour, found[2]["until"].hour, found[3]["until"]) == (9, 11, None)
    assert [one["definition"]["name"] for one in found] == ["one"] * 3 + ["two"] * 2


def test_before_it_was_created_it_did_not_exist(database: Database) -> None:
    made = made_at(database, NINE)
    before = state(database, made, EIGHT)
    assert (before["known"], before["existed"], before["definition"], before["until"].hour) == (True, False, None, 9)


def test_a_deleted_one_is_known_with_when_and_as_it_was_before(database: Database) -> None:
    made = made_at(database, EIGHT)
    at(database, TEN)
    database.sql("delete from automation_workflows")
    made_at(database, NOON, "back", id=made)
    found = [state(database, made, instant) for instant in (NINE, TEN, ELEVEN, NOON)]
    assert [(one["existed"], one["known"]) for one in found] == [
        (True, True),
        (False, True),
        (False, True),
        (True, True),
    ]
    assert (found[0]["is_on"], found[0]["until"].hour, found[0]["deleted_at"]) == (True, 10, None)
    assert (found[2]["deleted_at"].hour, found[3]["definition"]["name"]) == (10, "back")


def test_what_stood_before_us_is_unknown_before_its_first_version(database: Database) -> None:
    made = made_at(database, TEN, created_at=EIGHT)
    database.sql("update automation_workflow_versions set is_insert = null")  # as an installation keeps it
    assert state(database, made, "2029-01-01T00:00:00Z")["existed"] is False
    between = state(database, made, NINE)
    assert (between["known"], between["existed"]) == (False, None)
    assert between["unknown_because"] == "its history begins at 2030-01-01 10:00:00 UTC"
    assert state(database, made, ELEVEN)["known"] is True


@pytest.mark.parametrize(
    ("unseen", "because"),
    [
        ("update automation_workflows set is_active = false", "it was changed after"),
        ("delete from automation_workflows", "it was deleted after"),
    ],
)
def test_a_change_that_no_trigger_saw_is_noticed_and_not_dated(database: Database, unseen: str, because: str) -> None:
    made = made_at(database, EIGHT)
    database.sql("set session_replication_role = replica")
    database.sql(unseen)
    database.sql("reset session_replication_role")
    found = state(database, made, NINE)
    assert (found["known"], found["is_on"]) == (False, True)
    assert found["unknown_because"] == f"{because} 2030-01-01 08:00:00 UTC, and when was not recorded"
    assert found["existed"] is (None if unseen.startswith("delete") else True)


def test_a_version_that_could_not_be_kept_leaves_a_gap_that_is_said(database: Database) -> None:
    made = made_at(database, EIGHT)
    with session(database, autocommit=False) as other:
        other.sql("lock table automation_workflow_versions in access exclusive mode")
        change(database, NINE, "name = 'two'")
    change(database, ELEVEN, "name = 'three'")
    assert (
        "between 2030-01-01 08:00:00 UTC and 2030-01-01 11:00:00 UTC" in state(database, made, TEN)["unknown_because"]
    )
    assert state(database, made, ELEVEN)["definition"]["name"] == "three"


def test_a_column_that_the_app_adds_is_no_change(database: Database) -> None:
    made = made_at(database, EIGHT)
    database.sql("alter table automation_workflows add colour text default 'red'")
    assert state(database, made, NINE)["known"] is True


def test_nobodys_id_is_unknown(database: Database) -> None:
    found = state(database, "00000000-0000-4000-8000-000000000000", NINE)
    assert (found["known"], found["existed"], found["definition"]) == (False, None, None)


@pytest.mark.parametrize(
    "harm", ["drop table automation_workflow_versions", "alter schema minutehand rename to elsewhere"]
)
def test_deleting_a_workflow_never_fails_because_of_us(database: Database, harm: str) -> None:
    workflow(database, "one")
    database.sql(harm)
    database.sql("delete from automation_workflows")
    assert database.sql("select from automation_workflows") == []
