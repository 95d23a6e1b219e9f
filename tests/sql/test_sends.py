"""automation_reserve_sends and automation_confirm_sends: each send is written down before it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, pending, row, seconds, tick, together, token, while_open, workflow

pytestmark = on_both_servers


def held(database: Database) -> tuple[str, str]:
    lease = token()
    (one,) = pending(database, workflow(database))
    claim(database, p_token=lease)
    return one, lease


def ask(one: str, lease: str, key: str = "key-1", recipient: str = "client@example.com") -> dict[str, Any]:
    return {"id": one, "token": lease, "step": "1", "channel": "email", "recipient": recipient, "key": key}


def reserve(database: Database, *sends: dict[str, Any]) -> list[Any]:
    return [answer["answer"] for answer in database.call("automation_reserve_sends", p_sends=list(sends), p_now=NOW)]


def confirm(database: Database, lease: str, status: str = "sent", key: str = "key-1", **said: Any) -> Any:
    send = {"key": key, "token": lease, "status": status, **said}
    return database.call("automation_confirm_sends", p_sends=[send], p_now=NOW + seconds(1))


def logged(database: Database, key: str = "key-1") -> dict[str, Any]:
    return database.one("select * from communication_logs where idempotency_key = %s", key)


def next_lease(database: Database, one: str) -> str:
    """The worker vanishes; another claims the row."""
    tick(database, NOW + seconds(200))
    database.sql("update automation_execution_logs set scheduled_at = %s", NOW)
    lease = token()
    assert [e["id"] for e in claim(database, p_token=lease)["executions"]] == [one]
    return lease


def test_a_send_is_reserved_sent_and_confirmed_with_the_providers_id(database: Database) -> None:
    one, lease = held(database)
    assert reserve(database, ask(one, lease)) == ["go"]
    stored = logged(database)
    assert (stored["status"], str(stored["execution_id"]), stored["step"]) == ("reserved", one, "1")
    assert (stored["channel"], stored["recipient"], stored["user_id"]) == ("email", "client@example.com", "user-1")
    assert (stored["created_at"], stored["sent_at"]) == (NOW, None)
    assert confirm(database, lease, external_id="ext-1") == ["key-1"]
    stored = logged(database)
    assert (stored["status"], stored["external_id"], stored["sent_at"]) == ("sent", "ext-1", NOW + seconds(1))


def test_a_repeat_under_the_same_lease_is_go_again(database: Database) -> None:
    one, lease = held(database)
    assert [reserve(database, ask(one, lease)) for _ in range(2)] == [["go"], ["go"]]
    assert reserve(database, ask(one, lease), ask(one, lease)) == ["go", "go"]


def test_what_was_sent_is_not_sent_again(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    confirm(database, lease, external_id="ext-1")
    known = [{"key": "key-1", "answer": "sent", "external_id": "ext-1", "recipient": "client@example.com"}]
    assert database.call("automation_reserve_sends", p_sends=[ask(one, lease)], p_now=NOW) == known
    later = next_lease(database, one)
    assert database.call("automation_reserve_sends", p_sends=[ask(one, later)], p_now=NOW) == known


def test_after_a_crash_between_reserve_and_confirm_it_is_uncertain(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    later = next_lease(database, one)
    assert [reserve(database, ask(one, later)) for _ in range(2)] == [["uncertain"], ["uncertain"]]
    assert logged(database)["status"] == "uncertain"


def test_a_late_confirmation_of_the_lease_that_sent_it_still_counts(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    later = next_lease(database, one)
    assert reserve(database, ask(one, later)) == ["uncertain"]
    assert confirm(database, later, "failed") == [], "only the lease that reserved it knows"
    assert confirm(database, lease, external_id="ext-1") == ["key-1"]
    assert reserve(database, ask(one, later)) == ["sent"]


def test_what_surely_failed_may_go_again(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    assert confirm(database, lease, "failed", error="mailbox full") == ["key-1"]
    assert logged(database)["error_message"] == "mailbox full"
    later = next_lease(database, one)
    assert reserve(database, ask(one, later)) == ["go"]
    assert confirm(database, lease) == [], "it is the later lease's now"
    assert confirm(database, later) == ["key-1"]


def test_an_uncertain_end_stays_uncertain_for_the_next(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    confirm(database, lease, "uncertain", error="timed out after DATA")
    assert reserve(database, ask(one, next_lease(database, one))) == ["uncertain"]


def test_a_confirmation_repeated_changes_nothing_and_sent_is_never_taken_back(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    confirm(database, lease, external_id="ext-1")
    before = logged(database)
    assert confirm(database, lease, external_id="ext-2") == ["key-1"]
    assert confirm(database, lease, "failed", error="late") == ["key-1"]
    assert logged(database) == before


def test_only_the_reserving_lease_may_confirm(database: Database) -> None:
    one, lease = held(database)
    reserve(database, ask(one, lease))
    assert confirm(database, token()) == []
    assert confirm(database, lease, key="key-2") == []
    assert confirm(database, lease, "reserved") == []
    assert logged(database)["status"] == "reserved"


def test_a_lost_lease_reserves_nothing(database: Database) -> None:
    one, lease = held(database)
    later = next_lease(database, one)
    assert reserve(database, ask(one, lease), ask(token(), lease, "key-2")) == ["lost", "lost"]
    assert database.sql("select * from communication_logs") == []
    assert reserve(database, ask(one, later)) == ["go"]


@pytest.mark.parametrize("scope", ["all", "tenant", "workflow"])
def test_what_was_paused_meanwhile_is_held(database: Database, scope: str) -> None:
    one, lease = held(database)
    target = {"all": "", "tenant": "user-1", "workflow": str(row(database, one)["workflow_id"])}[scope]
    database.sql("insert into automation_control (scope, target) values (%s, %s)", scope, target)
    (answer,) = database.call("automation_reserve_sends", p_sends=[ask(one, lease)], p_now=NOW)
    assert (answer["answer"], answer["code"]) == ("paused", "paused")
    assert database.sql("select * from communication_logs") == []


@pytest.mark.parametrize(
    ("channel", "address", "tenant", "answer"),
    [
        ("email", "Client@Example.com", "", "refused"),
        ("email", "client@example.com", "user-1", "refused"),
        ("email", "client@example.com", "user-2", "go"),
        ("sms", "+12025550123", "", "go"),
    ],
)
def test_who_opted_out_gets_nothing(database: Database, channel: str, address: str, tenant: str, answer: str) -> None:
    one, lease = held(database)
    database.sql(
        "insert into automation_opt_outs (channel, address, tenant) values (%s, %s, %s)", channel, address, tenant
    )
    (said,) = database.call("automation_reserve_sends", p_sends=[ask(one, lease)], p_now=NOW)
    assert said["answer"] == answer
    if answer == "refused":
        assert (said["code"], said["reason"]) == ("opted_out", "client@example.com has opted out of email")
        assert said["opted_out"] == ["client@example.com"]


def test_of_two_processors_at_once_on_one_key_exactly_one_goes(database: Database) -> None:
    both = [held(database), held(database)]
    for number in range(20):
        asks = [ask(execution, lease, f"key-{number}") for execution, lease in both]
        answers = together(database, *[lambda mine, said=said: reserve(mine, said) for said in asks])
        assert sorted(answers) == [["go"], ["uncertain"]]


def test_the_second_waits_for_the_first_and_is_told_that_it_is_uncertain(database: Database) -> None:
    one, lease = held(database)
    other, second = held(database)
    first, later = while_open(
        database,
        lambda mine: reserve(mine, ask(one, lease)),
        lambda mine: reserve(mine, ask(other, second)),
    )
    assert (first, later) == (["go"], ["uncertain"])
    assert confirm(database, lease) == ["key-1"]


def test_many_keys_in_any_order_never_wait_in_a_circle(database: Database) -> None:
    one, lease = held(database)

    def reserving(order: int) -> Any:
        keys = sorted((f"key-{number}" for number in range(50)), reverse=order % 2 == 0)
        return lambda mine: reserve(mine, *[ask(one, lease, key) for key in keys])

    assert together(database, *[reserving(number) for number in range(6)]) == [["go"] * 50] * 6
