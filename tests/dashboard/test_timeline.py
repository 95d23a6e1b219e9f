"""What pages show of times: the timeline, the backlog, the next tick, the charts, and summaries of workflows."""

from __future__ import annotations

import doctest
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minutehand.dashboard import charts
from minutehand.dashboard.chart_cache import ChartCache
from minutehand.dashboard.pages import overview, workflow_summary
from minutehand.dashboard.pages.overview import backlog, next_tick
from minutehand.dashboard.pages.workflow_summary import summarize
from minutehand.dashboard.presentation import formatting, search
from minutehand.dashboard.presentation.formatting import status_reason
from minutehand.dashboard.presentation.timeline import timeline

T0 = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


def detail(**changed: Any) -> dict[str, Any]:
    """Return an execution that was claimed after 2 s and completed after 3 s, with changed fields."""
    return {
        "event": {"occurred_at": at(0), "matched_at": at(0), "operation": "UPDATE"},
        "created_at": at(0),
        "started_at": at(2),
        "claimed_at": at(2),
        "completed_at": at(3),
        "scheduled_at": None,
        "status": "completed",
        "code": None,
        "reason": None,
        "worker": "app:1",
        "attempt": 1,
        "attempt_history": [],
        "steps": [],
        "sends": [],
        **changed,
    }


def lines_of(detail: dict[str, Any], *, with_recipients: bool = True) -> list[str]:
    return [f"{entry.kind} {entry.at - T0}" for entry in timeline(detail, with_recipients=with_recipients)]


RETRIED: list[dict[str, Any]] = [
    {
        "what": "retry",
        "began": at(2),
        "at": at(3),
        "due": at(18),
        "attempt": 1,
        "code": "busy",
        "reason": "answered 429",
    },
    {"what": "lost", "began": at(18), "at": at(140), "due": at(150), "worker": "app:1", "code": "lost_lease"},
    {
        "what": "ended",
        "began": at(150),
        "at": at(151),
        "status": "failed",
        "code": "refused",
        "by": "retry",
        "due": at(600),
    },
]


def test_the_timeline_shows_every_attempt_in_order():
    lines = lines_of(detail(attempt_history=RETRIED, claimed_at=at(600), completed_at=at(601)))
    assert lines == [
        "change 0:00:00",
        "match 0:00:00",
        "queue 0:00:00",
        "claim 0:00:02",
        "retry 0:00:03",
        "claim 0:00:18",
        "lost 0:02:20",
        "claim 0:02:30",
        "end 0:02:31",
        "action 0:10:00",
        "claim 0:10:00",
        "end 0:10:01",
    ]


def test_the_timeline_names_who_acted():
    history = [RETRIED[-1] | {"actor": "ann"}]
    entries = timeline(detail(attempt_history=history), with_recipients=True)
    assert [entry.text for entry in entries if entry.kind == "action"] == ["retried by ann"]


def test_a_claim_of_the_attempt_history_is_shown_once():
    waiting = detail(attempt_history=RETRIED[:1], status="pending", completed_at=None, scheduled_at=at(18), attempt=1)
    assert lines_of(waiting)[-3:] == ["claim 0:00:02", "retry 0:00:03", "due 0:00:18"]


def test_sends_are_shown_only_for_steps_without_a_time():
    step = {"stepId": "1", "name": "Thanks", "status": "success", "startedAt": at(2.1), "finishedAt": at(2.5)}
    sends = [
        {"step": "1", "channel": "email", "recipient": "a@example.com", "status": "sent", "sent_at": at(2.4)},
        {"step": "2", "channel": "sms", "recipient": "+1", "status": "sent", "sent_at": at(2.6)},
    ]
    moments = timeline(detail(steps=[step], sends=sends), with_recipients=False)
    assert [(one.kind, one.text, one.detail) for one in moments if one.kind in ("step", "send")] == [
        ("step", "step Thanks", "done, 0.4 s"),
        ("send", "sms: sent", ""),
    ]


def test_the_duration_bar_is_to_scale():
    drawn = charts.duration_bar(detail(attempt_history=RETRIED[:1], claimed_at=at(18), completed_at=at(20)), T0)
    assert drawn is not None
    parts = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="\d+" width="([\d.]+)"', str(drawn.svg))
    assert [(kind, round(float(width) / 36)) for kind, _, width in parts] == [
        ("queued", 2),
        ("running", 1),
        ("waiting", 15),
        ("running", 2),
    ]
    assert (drawn.total, drawn.running) == (20, 3)


def test_an_execution_without_duration_has_no_bar():
    assert charts.duration_bar(detail(event=None, completed_at=at(0)), T0) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"status": "processing", "worker": "app:1", "claimed_at": at(-14)}, "running on app:1 for 14 s"),
        (
            {
                "status": "pending",
                "scheduled_at": at(200),
                "code": "busy",
                "attempt": 2,
                "max_attempts": 5,
                "reason": "429",
            },
            "retry in 3 min 20 s (attempt 3 of 5): 429",
        ),
        (
            {
                "status": "pending",
                "scheduled_at": at(86_400),
                "code": "waiting",
                "attempt": 0,
                "max_attempts": 5,
                "reason": "step 2 (wait): until 2026-03-02T10:00:00+00:00",
            },
            "waiting 1 d: step 2 (wait)",
        ),
        ({"status": "pending", "scheduled_at": None, "waits_for": "it is paused"}, "it is paused"),
        ({"status": "failed", "code": "refused", "reason": "answered 404"}, "refused: answered 404"),
    ],
    ids=["processing", "retry", "wait", "paused", "failed"],
)
def test_a_row_says_why_it_waits_or_ended(row: dict[str, Any], said: str) -> None:
    assert status_reason(row, T0) == said


def backlog_text(due: int, arrived: int, ended: int, since: str | None = None, **pace: Any) -> str:
    state = {"throughput": {"arrived": arrived, "ended": ended}, "behind_since": since}
    pace = {"continuous": False, "per_tick": 10, "tick_seconds": 60.0, **pace}
    return backlog({"due": due, "pace": pace}, state, T0)


def test_the_backlog_says_when_it_is_done_or_what_to_set():
    assert backlog_text(0, 0, 0) == "Nothing is due."
    assert backlog_text(1, 50, 50) == "1 execution due."
    assert backlog_text(500, 50, 50) == "500 due, 10 a tick: 50 min; run with --drain."
    assert backlog_text(10_000, 0, 150) == "10,000+ due, 10 a tick: over 16 h 40 min; run with --drain."
    assert backlog_text(500, 50, 50, per_tick=100) == "500 due, 100 a tick: 5 min; run with --drain."
    assert (
        backlog_text(60, 30, 180, continuous=True)
        == "60 executions due: done in about 6 min at the rate of the last 15 minutes."
    )
    assert backlog({"due": 60}, {"throughput": {"arrived": 0, "ended": 0}, "behind_since": None}, T0) == (
        "60 executions due."
    ), "a tenant is told nothing of the processors"
    said = backlog_text(400, 300, 150, at(-3600))
    assert "backlog is growing for 1 h: 300 arrived" in said
    assert "--batch-size" in said


def test_the_next_tick_is_predicted():
    def seen(mode: str, ago: float) -> dict[str, Any]:
        return {"mode": mode, "heartbeat_at": at(-ago)}

    now = T0 + timedelta(seconds=37)
    found = next_tick([seen("run-once", 0)], now)
    assert found is not None
    assert (found["seconds"], found["at"]) == (23, T0 + timedelta(minutes=1))
    assert next_tick([seen("run-once", 0), seen("worker", 0)], now) == {
        "text": "A worker polls continuously",
        "at": None,
    }
    assert next_tick([seen("worker", 600)], now) is None
    assert next_tick([], now) is None


def test_the_strip_shows_each_minute_and_what_was_due():
    ticks = [
        {"at": at(60 * number), "first_at": first, "ran": ran, "due": due}
        for number, (first, ran, due) in enumerate(
            [(None, 0, None), (at(61), 2, 2), (at(121), 0, 0), (None, 0, None), (None, 0, None), (at(301), 1, 12)]
        )
    ]
    shown = charts.minutes(ticks, T0 + timedelta(seconds=330))
    assert [minute.state for minute in shown] == ["none", "ran", "idle", "missing", "missing", "late"]
    drawn = str(charts.strip(shown))
    assert "1 ran, 1 idle, 1 late, 2 missing; at most 12 due" in drawn
    assert drawn.count('class="due"') == 2


def test_a_settled_bar_is_counted_once():
    cache, span = ChartCache(), charts.SPANS["24h"]
    begin = charts.begin_of(span, T0)
    assert cache.stale_from(span, T0, None) == begin
    bars = [
        {"at": (begin + timedelta(seconds=span.step * number)).isoformat(), "failed": number} for number in range(48)
    ]
    assert len(cache.merged(span, T0, None, bars)) == 48
    fresh = cache.stale_from(span, T0, None)
    assert T0 - fresh <= timedelta(hours=1, seconds=span.step)
    assert cache.stale_from(span, T0, "north") == begin, "each tenant has bars of its own"
    later = cache.merged(span, T0, None, [{"at": bars[-1]["at"], "failed": 1}])
    assert [bar["failed"] for bar in later][:5] == [0, 1, 2, 3, 4]
    assert later[-1]["failed"] == 1


def test_examples_in_docstrings_are_true():
    assert [doctest.testmod(module).failed for module in (formatting, search, overview, workflow_summary)] == [0] * 4


JOBS = [{"table": "jobs", "type": "job", "status": "status"}]


@pytest.mark.parametrize(
    ("type_", "conditions", "said"),
    [
        (
            "job_status_changed",
            [{"field": "status", "operator": "equals", "value": "completed"}],
            "When jobs.status becomes completed: e-mail the client.",
        ),
        (
            "job_status_changed",
            [{"field": "status", "value": "done"}, {"field": "price", "operator": "greater_than", "value": 5}],
            "When jobs.status becomes done, and price greater than 5: e-mail the client.",
        ),
        (
            "job_status_changed",
            [{"field": "status", "operator": "not_equals", "value": "x"}],
            "When jobs.status changes, and status not equals 'x': e-mail the client.",
        ),
        ("job_completed", [], "When jobs.status becomes completed: e-mail the client."),
        ("invoice_paid", None, "On invoice_paid: e-mail the client."),
    ],
    ids=["becomes", "and", "not", "word", "elsewhere"],
)
def test_a_workflow_is_summarized_in_a_sentence(type_: str, conditions: Any, said: str) -> None:
    email = {"type": "email", "config": {"subject": "Done", "message": "It is done"}}
    definition = {"trigger_config": {"conditions": conditions}, "steps": [email]}
    assert summarize({"trigger_type": type_, "definition": definition}, JOBS) == said
