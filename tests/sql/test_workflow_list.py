"""automation_workflow_list and automation_workflow_show: how the workflows stand."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import adopted, servers
from tests.servers import Database
from tests.sql.jobs import adopt, move, watched_jobs, when, workflow

pytestmark = servers.on_both_servers


def listed(database: Database, **asked: Any) -> Any:
    return database.call("automation_workflow_list", p_filter=asked)


def test_each_says_how_it_stands(database: Database) -> None:
    watched_jobs(database)
    made = workflow(database, "b")
    workflow(database, "a", is_active=False)
    workflow(database, "c", steps=[])
    move(database, "done")
    cards = listed(database)
    assert [(card["name"], card["on"], card["steps_problem"]) for card in cards] == [
        ("a", False, None),
        ("b", True, None),
        ("c", True, "it has no steps"),
    ]
    assert (cards[1]["id"], cards[1]["version"], cards[1]["last_status"]) == (made, 1, "pending")
    assert cards[1]["definition"]["name"] == "b"
    assert cards[0]["last_run"] is None


def test_a_pause_of_anything_above_is_told(database: Database) -> None:
    made = workflow(database)
    workflow(database, "other", organization_id="south")
    for scope, target, paused in (
        ("workflow", made, ["tell"]),
        ("tenant", "south", ["other"]),
        ("all", "", ["other", "tell"]),
    ):
        database.sql("insert into automation_control (scope, target, reason) values (%s, %s, 'holiday')", scope, target)
        cards = [card for card in listed(database) if card["paused"]]
        assert [card["name"] for card in cards] == paused
        assert cards[0]["paused"]["reason"] == "holiday"
        database.sql("delete from automation_control")


def test_names_and_ids_are_looked_for_and_a_wrong_one_is_named(database: Database) -> None:
    made = workflow(database, "a")
    workflow(database, "b")
    workflow(database, "b", organization_id="south")
    assert [card["name"] for card in listed(database, names=["b"])] == ["b", "b"]
    assert [card["name"] for card in listed(database, names=[made.upper()])] == ["a"]
    with pytest.raises(psycopg.Error, match='no workflow "nothing"') as caught:
        listed(database, names=["a", "nothing"])
    assert caught.value.sqlstate == "MH404"


def test_pages_follow_each_other(database: Database) -> None:
    database.sql("insert into automation_workflows (name) select 'w' || n % 7 from generate_series(1, 230) n")
    seen: list[str] = []
    asked: dict[str, Any] = {}
    for size in (100, 100, 30, 0):
        page = listed(database, **asked)
        assert len(page) == size
        seen += [card["id"] for card in page]
        asked = {"after": [page[-1]["name"], page[-1]["id"]]} if page else {}
    assert len(seen) == len(set(seen)) == 230


def test_facts_name_what_the_database_knows(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_config=when("status", "shedulled"))
    (card,) = listed(database)
    assert card["emitted"] is True
    assert card["unknown_statuses"] == [{"word": "shedulled", "type": "job", "known": ["scheduled"]}]


def test_one_is_shown_with_its_versions_and_executions(database: Database) -> None:
    watched_jobs(database, 2)
    made = workflow(database)
    move(database, "done")
    database.sql("update automation_execution_logs set status = 'completed'")
    database.sql("update automation_workflows set name = 'say'")
    move(database, "done", "J-2")
    shown = database.call("automation_workflow_show", p_workflow=made)
    assert (shown["name"], [version["version"] for version in shown["versions"]]) == ("say", [2, 1])
    assert shown["executions"] == {"completed": 1, "pending": 1}
    assert (shown["last"]["entity_id"], shown["emitted"]) == ("J-2", True)
    assert shown["switches"] == {"is_active": True, "status": "active"}


def test_a_row_that_jsonb_refuses_is_shown_with_its_problem(empty_database: Database) -> None:
    database = empty_database
    made = adopted.old_app(database)
    adopt(database)
    database.sql("update automation_workflows set settings = %s::json", '{"a": "\\u0000"}')
    (card,) = listed(database)
    shown = database.call("automation_workflow_show", p_workflow=made)
    for told in (card, shown):
        assert (told["definition"], told["on"]) == (None, False)
        assert "\\u0000" in told["problem"] or "unsupported Unicode" in told["problem"]
