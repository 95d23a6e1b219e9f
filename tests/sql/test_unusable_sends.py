"""communication_logs, or our own tables, cannot be written for one execution: it waits or ends alone (R18)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import notices, session
from tests.sql.queue_rows import NOW, claim, foreign, ids, pending, row, seconds, settle, success, tick, token, workflow
from tests.sql.test_advance import advance, held, place, sends

pytestmark = on_both_servers

PUBLISHED = (
    "create publication feed for table communication_logs; alter table communication_logs replica identity nothing"
)
MENDED = "alter table communication_logs replica identity default"


def reserved(database: Database) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two leased executions, of which the first has reserved its send."""
    (one, two), lease = held(database, 2)
    mine, other = ({"id": made, "token": lease} for made in (one, two))
    assert advance(database, mine | {"reserve": place()})[one]["send"]["answer"] == "go"
    return mine, other


def test_nothing_leaves_that_could_not_be_confirmed(database: Database) -> None:
    (one, two), lease = held(database, 2)
    database.sql(PUBLISHED)
    ask: list[dict[str, Any]] = [
        {"id": one, "token": lease, "reserve": place()},
        {"id": two, "token": lease, "steps": [success("1")]},
    ]
    for _ in range(2):
        answers = advance(database, *ask)
        send = answers[one]["send"]
        assert (send["answer"], send["code"]) == ("deferred", "no_replica_identity")
        assert "alter table public.communication_logs replica identity default" in send["reason"]
        assert (answers[two]["stop"], sends(database)) == (None, [])
    assert row(database, two)["actions_executed"] == [success("1")]
    database.sql(MENDED)
    assert advance(database, *ask)[one]["send"]["answer"] == "go"


def test_a_send_that_left_is_not_repeated_when_its_end_cannot_be_confirmed(database: Database) -> None:
    mine, other = reserved(database)
    database.sql(PUBLISHED)
    confirm = {"confirm": {"key": "key-1", "status": "sent"}, "steps": [success("1")], "resume_step": "2"}
    answers = advance(database, mine | confirm, other | {"steps": [success("1")]})
    stop = answers[mine["id"]]["stop"]
    assert (stop["ended"], stop["code"]) == ("deferred", "no_replica_identity")
    assert answers[other["id"]]["stop"] is None
    assert [row(database, made["id"])["actions_executed"] for made in (mine, other)] == [[success("1")]] * 2


def test_a_settle_ends_what_was_done_though_the_send_cannot_be_confirmed(database: Database) -> None:
    mine, other = reserved(database)
    database.sql(PUBLISHED)
    outcome = {"ended": "done", "steps": [success("1")]}
    with notices(database) as heard:
        answers = settle(database, mine | outcome | {"confirm": {"key": "key-1", "status": "sent"}}, other | outcome)
    assert {answer["answer"] for answer in answers.values()} == {"settled"}
    assert {row(database, made["id"])["status"] for made in (mine, other)} == {"completed"}
    assert "could not be confirmed: table communication_logs is in publication feed" in heard[0]


@pytest.mark.parametrize(
    ("state", "answer", "code"),
    [("55006", "deferred", "table_error"), ("42883", "deferred", "table_error"), ("XY001", "refused", "unrecordable"),
     ("45000", "refused", "unrecordable")],
)  # fmt: skip
def test_whatever_the_apps_trigger_says_to_one_send_is_that_sends_affair(
    database: Database, state: str, answer: str, code: str
) -> None:
    (one, two), lease = held(database, 2)
    database.sql(
        "create function picky() returns trigger language plpgsql as $$begin if new.to_address = 'bad@example.com' then"
        f" raise exception 'no' using errcode = '{state}'; end if; return new; end$$;"
        "create trigger picky before insert on communication_logs for each row execute function picky()"
    )
    answers = advance(
        database,
        {"id": one, "token": lease, "reserve": place() | {"recipient": "bad@example.com"}},
        {"id": two, "token": lease, "reserve": place("key-2")},
    )
    assert (answers[one]["send"]["answer"], answers[one]["send"]["code"]) == (answer, code)
    assert answers[two]["send"]["answer"] == "go"


@pytest.mark.parametrize("state", ["45000", "AP001", "P0002"])
def test_whatever_the_app_raises_against_one_end_is_that_ends_affair(database: Database, state: str) -> None:
    (one, two), lease = held(database, 2)
    database.sql(
        "create function picky() returns trigger language plpgsql as $$begin if new.status = 'completed' and"
        f" new.id = '{one}' then raise exception 'no' using errcode = '{state}'; end if; return new; end$$;"
        "create trigger picky before update on automation_execution_logs for each row execute function picky()"
    )
    settle(database, *({"id": made, "token": lease, "ended": "done"} for made in (one, two)))
    assert (row(database, one)["code"], row(database, two)["status"]) == ("unrecordable", "completed")


def test_a_claim_goes_on_while_profiles_are_locked(database: Database) -> None:
    database.sql(
        "create table profiles (id text primary key, organization_id text);insert into profiles values ('ann', 'north')"
    )
    made = workflow(database, organization="north")
    (good,) = pending(database, made, organization_id="north")
    bad = foreign(database, made, {"job_id": "J-1"}, user_id="ann")
    with session(database, autocommit=False) as holder:
        holder.sql("lock table profiles in access exclusive mode")
        assert ids(claim(database)) == [good]
        holder.connection.rollback()
    stored = row(database, bad)
    assert (stored["status"], stored["code"], stored["attempt"]) == ("pending", "table_locked", 0)
    assert stored["scheduled_at"] > NOW
    tick(database, NOW + seconds(5))
    assert ids(claim(database, p_token=token(), p_now=NOW + seconds(5))) == [bad]


@pytest.mark.parametrize(
    ("state", "kind"),
    [("40001", "away"), ("40P01", "away"), ("53300", "away"), ("57P01", "away"), ("57014", "away"), ("25006", "away"),
     ("58030", "away"), ("42501", "object"), ("42703", "object"), ("42P01", "object"), ("55P03", "object"),
     ("55000", "object"), ("0A000", "object"), ("XX000", "object"), ("08006", "object"), ("HV000", "object"),
     ("3F000", "object"), ("22P02", "item"), ("23514", "item"), ("42804", "item"), ("54000", "item"), ("P0001", "item"),
     ("45000", "item"), ("MH409", "item"), ("21000", "item")],
)  # fmt: skip
def test_an_sqlstate_says_whose_the_error_is(database: Database, state: str, kind: str) -> None:
    assert database.one("select minutehand.error_class(%s) as kind", state)["kind"] == kind
