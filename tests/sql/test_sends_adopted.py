"""Sends in a table that the app made: filled truly in the app's own words, and what it refuses fails alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import notices
from tests.sql.queue_rows import NOW, claim, pending, row, settle, success, token, workflow

pytestmark = on_both_servers

#: What the app's table may demand, with what the refusal names.
DEMANDS = {
    "add column branch text not null": 'column "branch"',
    "add constraint own_domain check (to_address like '%@example.com')": '"own_domain"',
    "alter column user_id type uuid using null": "uuid",
    "add constraint known foreign key (to_address) references friends": '"known"',
    "alter column to_address type varchar(18)": "too long",
}


@pytest.fixture
def held(database: Database) -> tuple[str, str]:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    database.sql("create table friends (address text primary key); insert into friends values ('client@example.com')")
    database.sql("drop index communication_logs_tenant")  # an adopted table had its types before it had our index
    return one, lease


def ask(one: str, lease: str, key: str = "key-1", recipient: str = "client@example.com") -> dict[str, Any]:
    send = {"step": "1", "channel": "email", "recipient": recipient, "sender": "acme@example.com", "key": key}
    return {"id": one, "token": lease, **send}


def reserve(database: Database, *sends: dict[str, Any]) -> dict[str, Any]:
    answers = database.call("automation_reserve_sends", p_sends=list(sends), p_now=NOW)
    return {answer["key"]: answer for answer in answers}


def noted(one: str, lease: str, key: str, recipient: str = "client@example.com") -> dict[str, Any]:
    send = {"channel": "webhook", "recipient": recipient, "sender": "minutehand", "key": key}
    return {"id": one, "token": lease, "step": success(key, send=send)}


def in_the_apps_words(database: Database) -> list[tuple[Any, ...]]:
    rows = database.sql("select * from communication_logs order by idempotency_key")
    names = ("type", "direction", "from_address", "to_address", "user_id", "status")
    return [tuple(str(found[name]) for name in names) for found in rows]


def test_a_reserved_send_says_what_kind_from_whom_and_to_whom(database: Database, held: tuple[str, str]) -> None:
    reserve(database, ask(*held))
    assert in_the_apps_words(database) == [
        ("email", "outbound", "acme@example.com", "client@example.com", "user-1", "reserved")
    ]


def test_a_noted_send_says_so_too(database: Database, held: tuple[str, str]) -> None:
    database.call("automation_record_step", p_steps=[noted(*held, "key-1", "https://example.com/hook")], p_now=NOW)
    assert in_the_apps_words(database) == [
        ("webhook", "outbound", "minutehand", "https://example.com/hook", "user-1", "sent")
    ]


def test_whose_it_is_comes_from_the_workflow_where_the_execution_does_not_say(database: Database) -> None:
    lease = token()
    (one,) = pending(database, workflow(database, user="user-7"), user_id=None)
    claim(database, p_token=lease)
    assert reserve(database, ask(one, lease))["key-1"]["answer"] == "go"
    database.call("automation_record_step", p_steps=[noted(one, lease, "key-2")], p_now=NOW)
    assert [found[4] for found in in_the_apps_words(database)] == ["user-7", "user-7"]


@pytest.mark.parametrize("demand", DEMANDS)
def test_a_send_that_the_table_cannot_hold_is_refused_with_its_name(
    database: Database, held: tuple[str, str], demand: str
) -> None:
    database.sql(f"alter table communication_logs {demand}")
    answer = reserve(database, ask(*held, recipient="friend@elsewhere.example"))["key-1"]
    assert (answer["answer"], answer["code"]) == ("refused", "unrecordable")
    assert answer["reason"].startswith("communication_logs cannot hold this send: ")
    assert DEMANDS[demand] in answer["reason"]
    assert database.sql("select * from communication_logs") == []


def test_a_rule_that_the_app_raises_itself_refuses_alike(database: Database, held: tuple[str, str]) -> None:
    database.sql(
        """
        create function full_stop() returns trigger language plpgsql as $$ begin raise exception 'no credits'; end $$;
        create trigger full_stop before insert on communication_logs for each row execute function full_stop();
        """
    )
    assert reserve(database, ask(*held))["key-1"]["reason"].endswith(": no credits")


def test_its_neighbours_are_reserved(database: Database, held: tuple[str, str]) -> None:
    database.sql("alter table communication_logs add check (to_address like '%@example.com')")
    sends = [ask(*held, f"key-{number}", f"{number}@example.com") for number in range(5)]
    sends[2]["recipient"] = "nobody@elsewhere.example"
    lost = ask(held[0], token(), "key-5")
    answers = reserve(database, *sends, lost)
    assert {key: answer["answer"] for key, answer in answers.items()} == {
        "key-0": "go", "key-1": "go", "key-2": "refused", "key-3": "go", "key-4": "go", "key-5": "lost",
    }  # fmt: skip
    assert len(database.sql("select * from communication_logs")) == 4


@pytest.mark.parametrize("verb", ["record", "settle"])
def test_a_note_that_the_table_cannot_hold_fails_no_step_and_no_neighbour(
    database: Database, held: tuple[str, str], verb: str
) -> None:
    one, lease = held
    database.sql("alter table communication_logs add check (to_address like '%@example.com')")
    steps = [noted(one, lease, "good"), noted(one, lease, "bad", "https://elsewhere.example")]
    with notices(database) as heard:
        if verb == "record":
            database.call("automation_record_step", p_steps=steps, p_now=NOW)
        else:
            outcome = {"id": one, "token": lease, "ended": "done", "steps": [step["step"] for step in steps]}
            assert settle(database, outcome)[one]["status"] == "completed"
    assert {step["stepId"] for step in row(database, one)["actions_executed"]} == {"good", "bad"}
    assert [found[3] for found in in_the_apps_words(database)] == ["client@example.com"]
    (warning,) = heard
    start = f"WARNING: minutehand: the send of execution {one} could not be stored in communication_logs"
    assert warning.startswith(start)
