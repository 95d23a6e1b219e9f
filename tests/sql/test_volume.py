"""The volume guard: what a workflow starts in an hour beside what it usually does, and messages to one recipient."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, claimed, ids, seconds, token, workflow

pytestmark = on_both_servers
HOUR = timedelta(hours=1)


def starts(database: Database, workflow_id: str, count: int, *, ago: timedelta = HOUR / 2, **columns: Any) -> None:
    """Insert so many executions, created `ago` before NOW and pending unless `columns` say otherwise."""
    columns = {"status": "pending", "user_id": "user-1", **columns}
    database.sql(
        f"insert into automation_execution_logs (workflow_id, workflow_version, trigger_data, entity_id, created_at,"
        f" event_id, {', '.join(columns)})"
        " select %s, 1, '{}', 'row-' || n, %s + n * interval '1 ms', nextval('public.automation_events_id_seq')"
        f"{', %s' * len(columns)} from generate_series(1, %s) n",
        workflow_id, NOW - ago, *columns.values(), count,
    )  # fmt: skip


def tick(database: Database, *, later: timedelta = timedelta(0)) -> Any:
    return database.call("automation_tick", p_now=NOW + later)


def floods(database: Database, *, later: timedelta = timedelta(0)) -> list[tuple[str, int]]:
    rows = database.sql("select kind, count from minutehand.open_floods(%s) order by kind", NOW + later)
    return [(row["kind"], row["count"]) for row in rows]


def held(database: Database) -> int:
    return int(database.one("select count(*) as n from automation_execution_logs where code = 'flood'")["n"])


NOTIFY = [{"type": "notify", "config": {"message": "x"}}]
RECORD = [{"type": "update_record", "config": {"table": "jobs", "values": {"a": 1}}}, {"type": "wait"}]


@pytest.mark.parametrize(
    ("columns", "history", "count", "is_flood"),
    [
        ({}, {}, 100, False),
        ({}, {}, 101, True),
        ({"settings": {"volume": {"per_hour": 5}}}, {}, 5, False),
        ({"settings": {"volume": {"per_hour": 5}}}, {}, 6, True),
        ({"settings": {"volume": {"per_hour": 500}}}, {}, 500, False),
        ({"settings": {"volume": None}}, {}, 5000, False),
        ({"settings": {"volume": "off"}}, {}, 101, True),
        ({}, {30: 4, 31: 4, 80: 4}, 100, False),
        ({}, {30: 4, 31: 4, 80: 4}, 101, True),
        ({}, {30: 6, 31: 6, 80: 6}, 120, False),
        ({}, {30: 6, 31: 6, 80: 6}, 121, True),
        ({}, {30: 4, 31: 4, 40: 4, 24: 60}, 1200, False),
        ({}, {30: 4, 31: 4, 40: 4, 24: 60}, 1201, True),
        ({}, {30: 4, 31: 4, 40: 900, 41: 4, 42: 4}, 101, True),
        ({}, {24 * 8: 900}, 101, True),
        ({"steps": NOTIFY}, {}, 5000, False),
        ({"steps": RECORD}, {}, 5000, False),
        ({"steps": [*RECORD, {"type": "send-sms"}]}, {}, 101, True),
        ({"steps": [{"type": "webhook"}]}, {}, 101, True),
        ({"steps": [{"type": "function"}]}, {}, 101, True),
        ({"steps": [{"type": "plug_in"}]}, {}, 101, True),
        ({"steps": [{"type": "condition", "then": [{"type": "email"}]}]}, {}, 101, True),
    ],
)
def test_a_flood_is_past_20_times_the_usual_hour_and_past_100(
    database: Database, columns: dict[str, Any], history: dict[int, int], count: int, is_flood: bool
) -> None:
    mine = workflow(database, **columns)
    for hours, size in history.items():
        starts(database, mine, size, ago=hours * HOUR, status="completed")
    starts(database, mine, count)
    tick(database)
    assert floods(database) == ([("flood", count)] if is_flood else [])
    assert held(database) == 0, "holding is opt-in"
    incidents = database.call("automation_alerts_claim", p_token=str(uuid.uuid4()), p_now=NOW)
    assert [(one["kind"], one["what"]) for one in incidents if one["kind"] == "flood"] == [
        ("flood", "opened")
    ] * is_flood


def test_what_was_skipped_or_cancelled_or_is_anothers_does_not_count(database: Database) -> None:
    mine, other = workflow(database), workflow(database, user="user-2")
    starts(database, mine, 100)
    starts(database, other, 100, user_id="user-2")
    starts(database, mine, 60, status="skipped")
    starts(database, mine, 60, status="cancelled")
    starts(database, mine, 60, ago=HOUR * 1.1, status="completed")
    tick(database)
    assert floods(database) == []


def test_one_incident_is_opened_once_and_recovers(database: Database) -> None:
    mine = workflow(database)
    starts(database, mine, 200)
    seen = []
    for minutes in (0, 1, 2, 29, 31, 37):
        later = timedelta(minutes=minutes)
        tick(database, later=later)
        notified = database.call("automation_alerts_claim", p_token=str(uuid.uuid4()), p_now=NOW + later)
        seen += [(minutes, one["what"]) for one in notified if one["kind"] == "flood"]
        for one in notified:
            database.sql(
                "update automation_incidents set notified = %s, notified_at = %s where id = %s",
                one["what"], NOW + later, one["id"],
            )  # fmt: skip
    assert seen == [(0, "opened"), (37, "recovered")]


def test_with_hold_what_has_not_begun_waits_for_a_person_and_others_go_on(database: Database) -> None:
    mine, other = workflow(database, settings={"volume": {"hold": True}}), workflow(database)
    starts(database, mine, 150)
    starts(database, other, 3)
    begun = [row["id"] for row in database.sql(
        "select id::text from automation_execution_logs where workflow_id = %s limit 5", mine)]  # fmt: skip
    assert len(claimed(database, p_ids=begun)) == 5
    assert tick(database)["flooded"] == held(database) == 145
    first = database.one("select id::text, status, reason from automation_execution_logs where code = 'flood' limit 1")
    assert first["status"] == "pending"
    assert "started 150 times in an hour (usually 0, at most 100)" in first["reason"]
    detail = database.call("automation_execution", p_id=first["id"], p_now=NOW)
    assert detail["waits_for"].startswith("it is held: its workflow started 150 times")
    assert detail["allowed"] == ["release", "cancel"]
    assert len(claimed(database, 500)) == 3, "the others"
    assert database.call("automation_doctor", p_now=NOW)["queue"]["flooded"] == held(database)
    assert claim(database, 10, p_ids=[first["id"]])["executions"] == []


def test_a_release_runs_it_and_raises_the_measure(database: Database) -> None:
    mine = workflow(database, settings={"volume": {"hold": True}})
    starts(database, mine, 150)
    tick(database)
    assert held(database) == 150
    some = [row["id"] for row in database.sql("select id::text from automation_execution_logs limit 100")]
    answer = database.call("automation_release", p_ids=some, p_actor={"via": "cli", "name": "ann"}, p_now=NOW)
    assert answer["released"] == 100
    tick(database, later=seconds(10))
    assert (held(database), floods(database)) == (50, [])
    starts(database, mine, 150)
    tick(database, later=seconds(20))
    assert held(database) == 50, "twice as many as before are no flood now"
    starts(database, mine, 1)
    tick(database, later=seconds(30))
    assert held(database) == 301, "and one more is"


def test_the_rest_is_dropped_by_cancelling_it(database: Database) -> None:
    mine = workflow(database, settings={"volume": {"hold": True}})
    starts(database, mine, 150)
    tick(database)
    all_of_them = [row["id"] for row in database.sql("select id::text from automation_execution_logs")]
    answers = database.call("automation_cancel", p_ids=all_of_them, p_now=NOW)
    assert {answer["answer"] for answer in answers} == {"cancelled"}
    starts(database, mine, 50)
    tick(database, later=seconds(10))
    assert (held(database), floods(database, later=seconds(10))) == (0, [])


def test_many_are_held_in_bounded_batches_and_a_retry_or_a_persons_replay_is_not(database: Database) -> None:
    mine = workflow(database, settings={"volume": {"hold": True}})
    starts(database, mine, 12_000)
    starts(database, mine, 1, started_at=NOW - HOUR / 4)
    starts(database, mine, 1, replay_of=str(uuid.uuid4()))
    answers = [tick(database), tick(database), tick(database, later=seconds(10))]
    assert [(one["flooded"], one["holding"]) for one in answers] == [(10_000, True), (2000, False), (0, False)]
    assert len(claimed(database, 500)) == 2


def test_hours_are_counted_once_and_bounded_and_nothing_is_judged_before(database: Database) -> None:
    mine = workflow(database)
    for hours in range(2, 8):
        starts(database, mine, 15_000, ago=hours * HOUR, status="completed")
    starts(database, mine, 300)
    judged = []
    for number in range(4):
        tick(database, later=seconds(10 * number))
        judged.append(database.one("select count(distinct hour) as n from minutehand.hourly_volume")["n"])
        assert floods(database, later=seconds(10 * number)) == []
    assert judged == [2, 4, 6, 7]
    assert database.one("select minutehand.usual_hour(%s, 'user-1', %s) as n", mine, NOW)["n"] == 15_000


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ({}, None),
        (None, None),
        ({"hold": True, "wait": False, "per_hour": 1, "per_recipient": 1_000_000}, None),
        (True, "settings.volume is true: write an object, or null for no guard"),
        ("hold", 'settings.volume is "hold": write an object'),
        ([], "settings.volume is []: write an object"),
        ({"hold": "yes"}, 'settings.volume.hold is "yes": write true or false'),
        ({"wait": 1}, "settings.volume.wait is 1: write true or false"),
        ({"holds": True}, "settings.volume.holds is unknown: write hold, per_hour, per_recipient or wait"),
        ({"per_hour": 0}, "settings.volume.per_hour is 0: write a whole number from 1 to 1000000"),
        ({"per_hour": 1.5}, "settings.volume.per_hour is 1.5: write a whole number"),
        ({"per_hour": "100"}, 'settings.volume.per_hour is "100": write a whole number'),
        ({"per_recipient": None}, "settings.volume.per_recipient is null: write a whole number"),
        ({"per_recipient": 1e300}, "settings.volume.per_recipient is 1000"),
    ],
)
def test_a_mistake_in_its_settings_is_named(database: Database, volume: Any, problem: str | None) -> None:
    mine = workflow(database, settings={"volume": volume})
    (facts,) = [one for one in database.call("automation_metrics", p_facts=True)["workflows"] if one["id"] == mine]
    found = facts["setting_problems"]
    assert len(found) == (problem is not None)
    assert problem is None or found[0].startswith(problem)
    starts(database, mine, 50)
    tick(database)
    assert held(database) == (50 if problem is None and volume else 0), "what cannot be read holds nothing"


# --- one recipient ----------------------------------------------------------------------------------------------------


def send(database: Database, count: int, address: str = "ann@example.com", *, channel: str = "email") -> Any:
    """Claim so many executions and reserve a message of each to this address; return the answers."""
    lease = token()
    sends = [
        {"id": one, "token": lease, "step": "a", "channel": channel, "recipient": address, "key": f"{one}/{address}"}
        for one in ids(claim(database, count, p_token=lease))
    ]
    return database.call("automation_reserve_sends", p_sends=sends, p_now=NOW)


@pytest.mark.parametrize("wait", [False, True], ids=["told", "waits"])
def test_more_than_20_messages_of_a_workflow_to_one_recipient_are_an_incident_and_with_wait_wait(
    database: Database, wait: bool
) -> None:
    mine = workflow(database, settings={"volume": {"wait": wait}})
    starts(database, mine, 60)
    answers = send(database, 15) + send(database, 5)
    assert {one["answer"] for one in answers} == {"go"}
    assert floods(database) == []
    more = send(database, 10)
    if wait:
        assert {(one["answer"], one["code"]) for one in more} == {("later", "recipient_volume")}
        assert {one["wait_seconds"] for one in more} == {3600}
        assert "20 messages of this workflow to ann@example.com within 1 hour" in more[0]["reason"]
        assert floods(database) == []
    else:
        assert {one["answer"] for one in more} == {"go"}
        assert floods(database) == [("recipient", 30)]
    assert {one["answer"] for one in send(database, 5, "bob@example.com")} == {"go"}


def test_one_call_cannot_send_more_than_the_measure(database: Database) -> None:
    mine = workflow(database, settings={"volume": {"wait": True, "per_recipient": 3}})
    starts(database, mine, 10)
    assert sorted(one["answer"] for one in send(database, 10)) == ["go"] * 3 + ["later"] * 7


def test_an_address_of_the_workflow_itself_another_workflow_and_another_channel_have_room(database: Database) -> None:
    step = {"type": "email", "config": {"to": "Office@example.com", "subject": "x", "message": "y"}}
    settings = {"volume": {"wait": True, "per_recipient": 2}}
    fixed, other = workflow(database, steps=[step], settings=settings), workflow(database, settings=settings)
    starts(database, fixed, 10)
    assert {one["answer"] for one in send(database, 10, "office@example.com")} == {"go"}
    starts(database, other, 4)
    assert sorted(one["answer"] for one in send(database, 4, "office@example.com")) == ["go", "go", "later", "later"]
    starts(database, other, 4)
    assert {one["answer"] for one in send(database, 4, "https://x.example", channel="webhook")} == {"go"}
    assert floods(database) == []


def test_an_hour_later_there_is_room_and_the_incident_is_over(database: Database) -> None:
    mine = workflow(database, settings={"volume": {"per_recipient": 2}})
    starts(database, mine, 10)
    send(database, 5)
    assert floods(database) == [("recipient", 5)]
    tick(database, later=HOUR + seconds(1))
    assert floods(database, later=HOUR + seconds(1)) == []
    assert database.sql("select * from minutehand.floods") == []
