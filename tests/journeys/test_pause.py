"""A pause in an emergency (scenario 23): no more messages leave, none is lost, all are sent after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.journeys.app import App, Gate, Minutehand, wait_until, webhook

COUNT = 500
LANES = 20
#: The number of calls that the receiver answers at once before it becomes slow.
BEFORE = 60

by_scope = pytest.mark.parametrize(
    ("pause", "resume"),
    [
        (("pause", "--reason", "wrong prices"), ("resume",)),
        (("pause", "--tenant", "north"), ("resume", "--tenant", "north")),
        (("workflows", "pause", "Tell all"), ("workflows", "resume", "Tell all")),
    ],
    ids=["all", "tenant", "workflow"],
)


def called(shop: HttpReceiver) -> list[str]:
    """The jobs that the receiver was called for."""
    return sorted(request.path for request in shop.requests)


@by_scope
def test_after_a_pause_during_a_drain_no_more_messages_leave(
    app: App, minutehand: Minutehand, shop: HttpReceiver, pause: tuple[str, ...], resume: tuple[str, ...]
) -> None:
    gate = Gate()
    shop.then(*[Answer()] * BEFORE, *[Answer(after=gate)] * LANES)
    app.workflow(webhook(shop.url + "/{{job.id}}"), name="Tell all", settings={"breaker": None})
    app.complete_many(COUNT)
    with minutehand.running("run-once", "--drain", "-o", "json", MINUTEHAND_CONCURRENCY=str(LANES)) as processor:
        wait_until(lambda: len(shop.requests) == BEFORE + LANES, "every lane to be at its receiver")
        done = minutehand(*pause)
        assert done.returncode == 0, done.stderr
        gate.set()
        code, out, err = processor.end()
    assert (code, f'"completed": {BEFORE + LANES}' in out) == (0, True), err
    assert len(shop.requests) == BEFORE + LANES, "what was under way ends; nothing new has left"
    states = app.database.sql("select status, count(*) as n from automation_execution_logs group by 1 order by 1")
    assert [(row["status"], row["n"]) for row in states] == [
        ("completed", BEFORE + LANES),
        ("pending", COUNT - BEFORE - LANES),
    ]
    assert minutehand.run_once()["claimed"] == 0
    assert minutehand(*resume).returncode == 0
    assert minutehand.run_once("--drain")["completed"] == COUNT - BEFORE - LANES
    assert called(shop) == sorted(f"/B-{number}" for number in range(1, COUNT + 1)), "each once"
    attempts = app.database.one("select max(attempt) as most from automation_execution_logs")
    assert attempts["most"] <= 1, "a pause spends no attempt"


@pytest.mark.parametrize(
    ("scope", "target", "go_on"),
    [
        ("workflow", "Tell all", ["/other", "/south"]),
        ("tenant", "north", ["/south"]),
        ("tenant", "south", ["/other", "/tell"]),
    ],
)
def test_other_tenants_and_workflows_continue_during_a_pause(
    app: App, minutehand: Minutehand, shop: HttpReceiver, scope: str, target: str, go_on: list[str]
) -> None:
    for name, path, tenant in (("Tell all", "tell", "north"), ("Other", "other", "north"), ("Far", "south", "south")):
        app.workflow(webhook(f"{shop.url}/{path}"), name=name, organization_id=tenant)
    app.complete()
    app.complete(client="C-3", organization="south")
    app.database.call("automation_pause", p_scope=scope, p_target=target)
    minutehand.run_once("--drain")
    assert called(shop) == go_on
    assert len(app.database.sql("select id from automation_execution_logs where status = 'pending'")) == 3 - len(go_on)


@pytest.mark.parametrize(
    ("pause", "name"),
    [
        (("pause",), "everything"),
        (("pause", "--tenant", "north"), "tenant north"),
        (("workflows", "pause", "Tell all"), 'workflow "Tell all"'),
    ],
    ids=["all", "tenant", "workflow"],
)
def test_a_pause_with_an_end_and_a_planned_one_are_told(
    app: App, minutehand: Minutehand, shop: HttpReceiver, pause: tuple[str, ...], name: str
) -> None:
    app.workflow(webhook(shop.url), name="Tell all")
    app.complete()
    resume = tuple(word.replace("pause", "resume") for word in pause)
    until = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d} 09:00"
    told = minutehand(*pause, "--until", until, "--reason", "stock-taking")
    assert (told.returncode, told.stdout.strip()) == (
        0,
        f"{name} paused until {until} UTC (stock-taking): 1 pending held",
    )
    assert minutehand.run_once()["claimed"] == 0
    assert f"paused      {name} until {until} UTC: stock-taking\n" in minutehand("status").stdout
    assert minutehand(*resume).returncode == 0
    told = minutehand(*pause, "--from", until, "--until", "4 days")
    assert told.stdout.startswith(f"{name} will be paused from {until} UTC until ")
    assert f"will pause  {name} from {until} UTC until " in minutehand("status").stdout
    assert minutehand.run_once()["completed"] == 1
    assert f"{name}: 1 planned remain; give them up with --planned" in minutehand(*resume).stdout
    assert f"{name}: 1 planned given up" in minutehand(*resume, "--planned").stdout
    assert "will pause" not in minutehand("status").stdout
    refused = minutehand(*pause, "--until", "tomorrow")
    assert (refused.returncode, "tomorrow is not a moment" in refused.stderr) == (2, True)
