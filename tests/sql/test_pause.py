"""automation_pause and automation_resume: hold everything, a tenant, a workflow; and let go."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claimed, pending, workflow

pytestmark = on_both_servers


@pytest.fixture
def two(database: Database) -> tuple[str, str]:
    """Two workflows, of two tenants, with two pending executions each."""
    mine = workflow(database, name="Mine", organization="north")
    other = workflow(database, name="Other", organization="south")
    pending(database, mine, 2, organization_id="north")
    pending(database, other, 2, organization_id="south")
    return mine, other


def pause(database: Database, scope: Any, target: str | None = None, reason: str | None = None) -> Any:
    return database.call("automation_pause", p_scope=scope, p_target=target, p_reason=reason, p_now=NOW)


def resume(database: Database, scope: Any, target: str | None = None) -> Any:
    return database.call("automation_resume", p_scope=scope, p_target=target)


@pytest.mark.parametrize(
    ("scope", "target", "name", "held"),
    [
        ("all", None, "everything", 4),
        ("tenant", "north", "tenant north", 2),
        ("tenant", "nobody", "tenant nobody", 0),
        ("workflow", "Mine", 'workflow "Mine"', 2),
    ],
)
def test_what_is_paused_is_held_and_goes_on_after(
    database: Database, two: Any, scope: str, target: str | None, name: str, held: int
) -> None:
    told = pause(database, scope, target, "wrong prices")
    assert (told["name"], told["held"], told["existed"], told["reason"]) == (name, held, False, "wrong prices")
    again = pause(database, scope, target)
    assert (again["existed"], again["reason"]) == (True, "wrong prices")
    assert pause(database, scope, target, "and another")["reason"] == "and another"
    assert len(claimed(database)) == 4 - held
    ended = resume(database, scope, target)
    assert (ended["existed"], ended["held"], ended["reason"], ended["still_paused"]) == (True, held, "and another", [])
    assert len(claimed(database)) == held
    assert resume(database, scope, target)["existed"] is False


def test_a_workflow_is_named_by_id_too(database: Database, two: Any) -> None:
    assert pause(database, "workflow", two[0].upper())["target"] == two[0]
    assert resume(database, "workflow", "Mine")["existed"] is True


def test_a_pause_of_a_deleted_workflow_can_be_ended(database: Database, two: Any) -> None:
    pause(database, "workflow", "Mine")
    database.sql("delete from automation_workflows where name = 'Mine'")
    ended = resume(database, "workflow", two[0])
    assert (ended["existed"], ended["name"]) == (True, 'the deleted workflow "Mine"')


def test_wider_and_narrower_pauses_are_told_when_one_ends(database: Database, two: Any) -> None:
    pause(database, "all")
    pause(database, "workflow", "Mine")
    assert resume(database, "workflow", "Mine")["still_paused"] == ["all"]
    pause(database, "tenant", "north")
    assert resume(database, "all")["still_paused"] == ["tenant"]
    assert resume(database, "workflow", "Mine")["still_paused"] == ["tenant"]
    assert resume(database, "workflow", "Other")["still_paused"] == [], "another tenant's is no affair of its"
    pause(database, "workflow", "Mine")
    assert resume(database, "tenant", "south")["still_paused"] == []


@pytest.mark.parametrize(
    ("scope", "target", "state", "words"),
    [
        ("none", None, "MH400", "unknown scope none"),
        (None, None, "MH400", "unknown scope"),
        ("tenant", None, "MH400", "names no tenant"),
        ("workflow", "", "MH400", "names no workflow"),
        ("workflow", "Nothing", "MH404", 'there is no workflow "Nothing"'),
        ("workflow", "Twin", "MH409", 'there are 2 workflows named "Twin"'),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    database: Database, scope: Any, target: str | None, state: str, words: str
) -> None:
    for _ in range(2):
        workflow(database, name="Twin")
    for verb in (pause, resume):
        with pytest.raises(psycopg.Error, match=words) as caught:
            verb(database, scope, target)
        assert caught.value.sqlstate == state
    assert database.sql("select * from automation_control") == []
