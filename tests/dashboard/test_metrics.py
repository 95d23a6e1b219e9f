"""`/metrics`, and how often what everybody may ask for reaches the database."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from minutehand.dashboard.api.executor_endpoint import CallResult, ExecutorEndpoint
from minutehand.dashboard.api.metrics import CONTENT_TYPE, prometheus_text
from minutehand.dashboard.api.tokens import ServeTokens
from minutehand.dashboard.app import make_app
from minutehand.executor.checks.workflow import NEVER
from minutehand.store.errors import Unreachable
from minutehand.store.records import Metrics
from tests.dashboard.prometheus import check_metrics, parse
from tests.dashboard.served import completed, problem
from tests.docs.pages import page, rows, section, words
from tests.journeys.app import wait_until
from tests.servers import Database

TOKEN = {"Authorization": "Bearer a-metrics-token"}
FIGURES = {
    "pending", "due", "processing", "foreign_processing", "oldest_due_seconds", "uncertain", "dead_rows",
    "executions_last_hour", "ended_last_hour", "workflow_ended_last_hour", "waited_last_hour_seconds",
    "took_last_hour_seconds",
    "events_recorded_total", "events_unmatched", "events_set_aside", "events_no_tenant", "events_lost_total",
    "workflows", "workflows_broken", "pauses", "processor_seen_timestamp_seconds",
}  # fmt: skip


def figures(text: str) -> dict[str, Any]:
    """Each figure without our prefix; what has no label as a number."""
    read = {name.removeprefix("minutehand_"): values for name, values in parse(text).items()}
    return {name: values[()] if set(values) == {()} else values for name, values in read.items()}


# --- the format -------------------------------------------------------------------------------------------------------


def test_an_empty_database_has_every_figure(database: Database) -> None:
    text = prometheus_text(database.call("automation_metrics"))
    check_metrics(text)
    told = figures(text)
    assert set(told) == FIGURES
    for name in ("processor_seen_timestamp_seconds", "workflow_ended_last_hour"):
        assert told.pop(name) == {}
    for name in ("waited_last_hour_seconds", "took_last_hour_seconds"):
        assert told.pop(name) == {}
    ends = ("completed", "failed", "skipped", "cancelled")
    assert told.pop("ended_last_hour") == {(status,): 0 for status in ends}
    assert told.pop("executions_last_hour") == {(status,): 0 for status in ("pending", "processing", *ends)}
    assert told.pop("workflows") == {("on",): 0, ("off",): 0}
    assert set(told.values()) == {0}


def test_each_figure_tells_its_own(database: Database) -> None:
    metrics = database.call("automation_metrics")
    events = {"recorded": 11, "unmatched": 5, "set_aside": 6, "no_tenant": 7, "lost": 8}
    broken = {"on": True, "state": NEVER}
    metrics |= {"pending": 1, "due": 2, "processing": 3, "foreign_processing": 4, "oldest_due_seconds": 61}
    metrics |= {
        "uncertain": 9,
        "events": events,
        "last_hour": {"failed": 10},
        "ended_last_hour": {"failed": 13},
        "paused": [{}],
        "dead_rows": 12,
    }
    metrics |= {"waited_seconds": {"50": 0.25, "99": 3}, "took_seconds": {"95": 1.5}}
    metrics |= {"workflows": [broken, {"on": True, "state": "on"}, {"on": False, "state": "off"}]}
    metrics["by_workflow"] = [
        {"id": "1", "name": "tell", "ended_last_hour": {"failed": 2, "completed": 3}},
        {"id": "2", "name": "tell", "ended_last_hour": {"failed": 4}},
        {"id": None, "name": "other", "ended_last_hour": {"skipped": 5}},
    ]
    told = figures(prometheus_text(metrics))
    assert (told["executions_last_hour"][("failed",)], told["ended_last_hour"][("failed",)]) == (10, 13)
    assert told["workflows"] == {("on",): 2, ("off",): 1}
    expected = {"pending": 1, "due": 2, "processing": 3, "foreign_processing": 4, "oldest_due_seconds": 61}
    expected |= {"uncertain": 9, "events_unmatched": 5, "events_set_aside": 6, "events_no_tenant": 7}
    expected |= {"events_lost_total": 8, "workflows_broken": 1, "pauses": 1, "events_recorded_total": 11}
    expected |= {"dead_rows": 12}
    assert {name: told[name] for name in expected} == expected
    assert told["waited_last_hour_seconds"] == {("50",): 0.25, ("99",): 3}
    assert told["took_last_hour_seconds"] == {("95",): 1.5}
    assert {tuple(sorted(key)): count for key, count in told["workflow_ended_last_hour"].items()} == {
        ("1", "completed", "tell"): 3,
        ("1", "failed", "tell"): 2,
        ("2", "failed", "tell"): 4,
        ("", "other", "skipped"): 5,
    }


HOSTILE = 'a"b\\c\nd}e{f,=#\t\r ü→🙂 \u2028 \\n'


def test_whatever_stands_in_a_label_prometheus_reads_it_as_it_was(database: Database) -> None:
    made = database.one("insert into automation_workflows (name) values (%s) returning id", HOSTILE)
    database.sql(
        "insert into automation_execution_logs (workflow_id, status, completed_at) values (%s, 'failed', now())",
        made["id"],
    )
    database.call("automation_tick", p_worker={"id": HOSTILE, "mode": HOSTILE, "host": HOSTILE})
    text = prometheus_text(database.call("automation_metrics") | {"workflows": []})
    check_metrics(text)
    told = figures(text)
    assert list(told["processor_seen_timestamp_seconds"]) == [(HOSTILE, HOSTILE)]
    ((labels, count),) = told["workflow_ended_last_hour"].items()
    assert (set(labels), count) == ({"failed", HOSTILE, str(made["id"])}, 1)


def test_processors_are_told_by_mode_and_host_with_their_last_heartbeat(database: Database) -> None:
    for id_, mode, host, now in (
        ("a:1", "run-once", "a", "2030-01-01T12:00:00Z"),
        ("a:2", "run-once", "a", "2030-01-01T12:01:00.5Z"),
        ("b:1", "worker", 'b"\\\n', "2030-01-01T12:00:30Z"),
    ):
        database.call("automation_tick", p_worker={"id": id_, "mode": mode, "host": host}, p_now=now)
    told = figures(prometheus_text(database.call("automation_metrics", p_now="2030-01-01T12:01:01Z")))
    assert {tuple(reversed(key)): seen for key, seen in told["processor_seen_timestamp_seconds"].items()} == {
        ("run-once", "a"): 1893499260.5,
        ("worker", 'b"\\\n'): 1893499230.0,
    }


def test_the_page_tells_of_each_figure_and_no_other() -> None:
    told = [words(row[0])[0] for row in rows(section(page("monitoring.md"), "## Metrics"))]
    assert sorted(told) == sorted(f"minutehand_{name}" for name in FIGURES)


# --- over HTTP --------------------------------------------------------------------------------------------------------


def test_it_is_served_to_who_shows_a_token(app, shop, served, database):
    completed(app, shop, 2)
    problem(served.get("/metrics"), 401)
    problem(served.client.get(served.url + "/metrics", headers={"Authorization": "Bearer another"}), 401)

    def scrape() -> httpx.Response:
        return served.client.get(served.url + "/metrics", headers=TOKEN)

    answer = scrape()
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    told = figures(answer.text)
    assert (told["pending"], told["workflows"][("on",)]) == (2, 1)
    database.sql("insert into automation_migrations (name, checksum) values ('9999_later', 'x')")
    wait_until(lambda: scrape().status_code != 200, "the end of what is known for a second")
    assert problem(scrape(), 503)["failed"] == "schema"


def test_without_a_database_it_says_so_and_names_no_host(serve):
    with serve(DATABASE_URL="postgresql://127.0.0.1:1/none?connect_timeout=2") as served:
        refusal = served.client.get(served.url + "/metrics", headers=TOKEN)
        assert problem(refusal, 503)["failed"] == "database"
        assert "127.0.0.1" not in refusal.text


# --- how often the database is asked ----------------------------------------------------------------------------------


def test_however_many_ask_a_page_at_once_the_database_is_asked_once() -> None:
    count = 0

    async def run(execution_id: str) -> CallResult:
        raise AssertionError("nobody calls for an execution")

    async def ready() -> None:
        nonlocal count
        count += 1

    async def away() -> Metrics:
        await ready()
        raise Unreachable("away")

    async def ask(path: str) -> set[int]:
        tokens = ServeTokens.parse(api_token=None, direct_token=None, metrics_token="a-metrics-token")
        app = make_app(ExecutorEndpoint(run, tokens, "1"), ready, away, tokens.metrics)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answers = await asyncio.gather(*(client.get(path, headers=TOKEN) for _ in range(50)))
        return {answer.status_code for answer in answers}

    for path, status in (("/readyz", 200), ("/metrics", 503)):
        count = 0
        assert asyncio.run(ask(path)) == {status}
        assert count == 1
