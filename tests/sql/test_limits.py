"""Limits of sends: decided at the reservation, exact whoever reserves at once, and told with until when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, pending, seconds, session, together, token, workflow

pytestmark = on_both_servers
HOUR = 3600


def limit(database: Database, scope: str, n: int | None, **more: Any) -> Any:
    given = {"p_per": "1 hour", **{f"p_{name}": value for name, value in more.items()}}
    return database.call("automation_limit_set", p_scope=scope, p_n=n, **given)


def leases(database: Database, count: int, **columns: Any) -> list[tuple[str, str]]:
    made = pending(database, workflow(database, user=columns.get("user_id", "user-1")), count, **columns)
    lease = token()
    claim(database, count, p_token=lease)
    return [(one, lease) for one in made]


def ask(held: tuple[str, str], **more: Any) -> dict[str, Any]:
    place = {"step": "1", "channel": "sms", "recipient": "+15550001", "sender": "+1", "key": held[0], **more}
    return {"id": held[0], "token": held[1], **place}


def reserve(database: Database, *sends: dict[str, Any], at: float = 0) -> list[dict[str, Any]]:
    said = database.call("automation_reserve_sends", p_sends=list(sends), p_now=NOW + seconds(at))
    by_key = {answer["key"]: answer for answer in said}
    return [by_key[send["key"]] for send in sends]


def answers(database: Database, *sends: dict[str, Any], at: float = 0) -> list[str]:
    return [answer["answer"] for answer in reserve(database, *sends, at=at)]


def test_what_is_over_a_recipients_limit_waits_and_is_told_until_when(database: Database) -> None:
    limit(database, "recipient", 2)
    held = leases(database, 3)
    assert answers(database, ask(held[0]), at=0) == ["go"]
    assert answers(database, ask(held[1]), at=600) == ["go"]
    (later,) = reserve(database, ask(held[2]), at=700)
    assert (later["answer"], later["code"], later["wait_seconds"]) == ("later", "recipient_limit", HOUR - 700)
    assert later["reason"] == ("2 messages to +15550001 within 1 hour; the next may leave at 2030-05-17 13:00:00 UTC")
    assert database.one("select count(*) as n from communication_logs")["n"] == 2
    assert answers(database, ask(held[2]), at=HOUR) == ["go"]


def test_what_is_over_a_limit_may_be_dropped_instead(database: Database) -> None:
    limit(database, "recipient", 1, on_exceed="drop")
    held = leases(database, 2)
    went, dropped = sorted(reserve(database, *map(ask, held)), key=lambda answer: str(answer["answer"]))
    assert (went["answer"], dropped["answer"], dropped["code"]) == ("go", "refused", "recipient_limit")
    assert "may leave at" in dropped["reason"]


def test_one_call_counts_what_it_brings_itself(database: Database) -> None:
    limit(database, "tenant", 3)
    held = leases(database, 5)
    sends = [ask(one, recipient=f"+1555{number}") for number, one in enumerate(held)]
    assert sorted(answers(database, *sends)) == ["go"] * 3 + ["later"] * 2


def test_what_has_its_place_keeps_it(database: Database) -> None:
    limit(database, "recipient", 1)
    (one,) = leases(database, 1)
    assert [answers(database, ask(one)) for _ in range(2)] == [["go"], ["go"]]
    confirm = {"key": one[0], "token": one[1], "status": "sent"}
    database.call("automation_confirm_sends", p_sends=[confirm], p_now=NOW)
    assert answers(database, ask(one)) == ["sent"]


@pytest.mark.parametrize(("status", "counts"), [("sent", True), ("uncertain", True), ("failed", False)])
def test_counted_is_what_has_left_or_may_have(database: Database, status: str, counts: bool) -> None:
    limit(database, "recipient", 1)
    one, two = leases(database, 2)
    answers(database, ask(one))
    confirm = {"key": one[0], "token": one[1], "status": status}
    database.call("automation_confirm_sends", p_sends=[confirm], p_now=NOW)
    assert answers(database, ask(two)) == (["later"] if counts else ["go"])


def test_a_second_try_counts_from_when_it_is_made(database: Database) -> None:
    limit(database, "recipient", 1)
    one, two = leases(database, 2)
    answers(database, ask(one))
    confirm = {"key": one[0], "token": one[1], "status": "failed"}
    database.call("automation_confirm_sends", p_sends=[confirm], p_now=NOW)
    assert answers(database, ask(one), at=3000) == ["go"]
    assert answers(database, ask(two), at=HOUR + 100) == ["later"]


def test_each_channel_recipient_and_tenant_is_counted_for_itself(database: Database) -> None:
    limit(database, "recipient", 1, channel="sms")
    one, two, three = leases(database, 3)
    (other,) = leases(database, 1, user_id="user-2")
    assert answers(database, ask(one)) == ["go"]
    assert answers(database, ask(two, channel="email", key="an e-mail")) == ["go"]
    assert answers(database, ask(three, recipient="+15550002")) == ["go"]
    assert answers(database, ask(other)) == ["go"]
    assert answers(database, ask(two)) == ["later"]


def test_a_tenants_own_limit_replaces_the_general_one(database: Database) -> None:
    limit(database, "recipient", 1)
    limit(database, "recipient", 3, tenant="user-1")
    assert sorted(answers(database, *map(ask, leases(database, 4)))) == ["go"] * 3 + ["later"]
    assert sorted(answers(database, *map(ask, leases(database, 2, user_id="user-2")))) == ["go", "later"]


def test_an_email_to_several_counts_for_each_of_them(database: Database) -> None:
    limit(database, "recipient", 1)
    held = leases(database, 5)
    several = {"channel": "email", "recipient": "ann@example.com, bob@example.com"}
    assert answers(database, ask(held[0], **several)) == ["go"]
    (later,) = reserve(database, ask(held[1], channel="email", recipient="Bob@example.com"))
    assert (later["answer"], "1 messages to bob@example.com" in later["reason"]) == ("later", True)
    assert answers(database, ask(held[2], channel="email", recipient="ann@example.com, eve@example.com")) == ["later"]
    assert answers(database, ask(held[3], channel="email", recipient="eve@example.com")) == ["go"]


def test_a_recipient_is_found_by_an_index_alone_or_among_others(database: Database) -> None:
    database.sql("""
        insert into communication_logs (status, recipient, channel, reserved_at, user_id)
        select 'sent', case when n % 10 = 0 then format('a%s@example.com, b%s@example.com', n, n)
               else format('a%s@example.com', n) end, 'email', now(), 'user-1'
        from generate_series(1, 20000) n
    """)
    database.sql("analyze communication_logs")
    limit(database, "recipient", 1)
    plan = "\n".join(
        str(row["QUERY PLAN"])
        for row in database.sql(
            "explain select from communication_logs where minutehand.fold_case(left(recipient, 320)) = 'a7@example.com'"
            " and recipient not like '%%, %%' and reserved_at > now() - interval '1 day'",
            *(),
        )
    )
    assert "communication_logs_address" in plan
    (found,) = database.sql(
        "select minutehand.next_free_at(l, 'user-1', 'b100@example.com', 'k', now()) is not null as full"
        " from automation_limits l"
    )
    assert found["full"]


def test_of_two_limits_the_one_that_lasts_longer_is_told(database: Database) -> None:
    limit(database, "recipient", 1)
    limit(database, "tenant", 1, per="1 day")
    one, two = leases(database, 2)
    answers(database, ask(one))
    (later,) = reserve(database, ask(two))
    assert (later["code"], later["wait_seconds"]) == ("tenant_limit", 24 * HOUR)


def test_none_at_all_may_leave(database: Database) -> None:
    limit(database, "tenant", 0, channel="sms")
    (one,) = leases(database, 1)
    (answer,) = reserve(database, ask(one))
    assert (answer["answer"], answer["code"]) == ("refused", "tenant_limit")
    assert answer["reason"] == "0 sms of this tenant within 1 hour; none may leave"


def test_a_limit_that_is_removed_holds_no_more(database: Database) -> None:
    limit(database, "recipient", 1)
    one, two = leases(database, 2)
    answers(database, ask(one))
    assert limit(database, "recipient", None)["answer"] == "removed"
    assert answers(database, ask(two)) == ["go"]


@pytest.mark.parametrize("scope", ["recipient", "tenant"])
def test_eight_at_once_never_exceed_a_limit_and_never_wait_in_a_circle(database: Database, scope: str) -> None:
    limit(database, scope, 7)
    limit(database, "tenant" if scope == "recipient" else "recipient", 1000)
    held = leases(database, 160)
    each = [held[number::8] for number in range(8)]

    def reserving(mine: list[tuple[str, str]], number: int) -> Any:
        order = mine if number % 2 else mine[::-1]

        def go(connection: Database) -> list[str]:
            said = []
            for start in range(0, len(order), 5):
                sends = [
                    ask(one, recipient="+15550001" if scope == "recipient" else f"+1555{index % 3}")
                    for index, one in enumerate(order[start : start + 5])
                ]
                said += answers(connection, *sends)
            return said

        return go

    results = together(database, *[reserving(mine, number) for number, mine in enumerate(each)])
    flat = [answer for result in results for answer in result]
    assert (flat.count("go"), flat.count("later")) == (7, 153)
    assert database.one("select count(*) as n from communication_logs where status = 'reserved'")["n"] == 7


def test_without_limits_no_lock_is_taken(database: Database) -> None:
    held = leases(database, 1)
    with session(database) as mine:
        mine.sql("begin")
        assert answers(mine, ask(held[0])) == ["go"]
        locks = mine.one("select count(*) as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")
        assert locks["n"] == 0
        mine.sql("rollback")
