"""What is logged while an execution runs says which, whoever logs it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from minutehand.executor.outcome import Ended, Outcome
from minutehand.store import Execution, LeaseLost, Store
from minutehand.store.errors import Unreachable
from tests.engines import engine_over
from tests.journeys.app import App, Minutehand, email
from tests.plug_in import install

ROWS = """
with w as (
  insert into automation_workflows (name, organization_id, trigger_type, settings, steps)
  values ('W', 'north', 'x', '{"rate_limit": null}', '[{"type": "stop"}]') returning id
)
insert into automation_execution_logs (workflow_id, organization_id, entity_id, scheduled_at, event_id)
select w.id, 'north', n::text, now() - interval '1 hour' + n * interval '1 second', n
from w, generate_series(1, %s) n
"""


def run(url: str, execute: Any, **settings: Any) -> list[dict[str, Any]]:
    """Run the engine once; gives what was logged meanwhile, as it would be printed."""

    async def go() -> None:
        store = Store.postgres(url)
        try:
            engine = engine_over(store, execute, **settings)
            await engine.run(await store.tick())
        finally:
            await store.close()

    with capture_logs(processors=[merge_contextvars]) as logs:
        asyncio.run(go())
    return [dict(entry) for entry in logs]


def test_each_log_line_carries_the_ids_of_its_own_execution(database):
    database.sql(ROWS, 6)
    both = asyncio.Barrier(2)

    async def execute(execution: Execution) -> Outcome:
        await both.wait()
        structlog.get_logger("library").info("asked", entity=execution.entity_id)
        await both.wait()
        structlog.get_logger("library").info("answered", entity=execution.entity_id)
        return Outcome(execution_id=execution.id, token=execution.lease.token, ended=Ended.DONE)

    logs = run(database.url, execute, concurrency=2)
    ids = {row["entity_id"]: str(row["id"]) for row in database.sql("select * from automation_execution_logs")}
    said = [entry for entry in logs if entry["event"] in ("asked", "answered")]
    assert len(said) == 12
    for entry in said:
        assert (entry["execution_id"], entry["workflow"], entry["attempt"]) == (ids[entry["entity"]], "W", 1)
    settled = [entry for entry in logs if entry["event"] == "execution_settled"]
    assert {entry["entity_id"]: entry["execution_id"] for entry in settled} == ids
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ValueError("a bug"), "execution_crashed"),
        (Unreachable("away"), "execution_deferred"),
        (LeaseLost("e"), "execution_lost"),
    ],
)
def test_a_failed_attempt_is_logged_with_its_ids(database, error, event):
    database.sql(ROWS, 1)

    async def execute(execution: Execution) -> Outcome:
        raise error

    (told,) = [entry for entry in run(database.url, execute) if entry["event"] == event]
    (row,) = database.sql("select id from automation_execution_logs")
    assert (told["execution_id"], told["workflow"], told["attempt"]) == (str(row["id"]), "W", 1)


LIBRARY = """
import logging, structlog
from minutehand.scheduler.logs import configure
from minutehand.scheduler.config import LogSettings
for _ in range(2):
    configure(LogSettings(log_format="json", log_level="debug"))
with structlog.contextvars.bound_contextvars(execution_id="e-1"):
    logging.getLogger("some.library").warning("took %s s", 3)
    logging.getLogger("some.library").info("all is well")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("some.library").exception("broken")
"""


def test_a_warning_of_a_library_is_a_log_line_like_the_others():
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True, timeout=60)
    warned, broken = (json.loads(line) for line in done.stderr.splitlines())
    assert (warned["event"], warned["level"], warned["logger"]) == ("took 3 s", "warning", "some.library")
    assert warned["execution_id"] == broken["execution_id"] == "e-1"
    assert "ZeroDivisionError" in broken["exception"]


def test_a_plug_in_action_that_crashes_is_logged_with_its_execution(database, tmp_path):
    app = App(database)
    code = "class Odd:\n    def check(self, config): pass\n    async def run(self, run): raise RuntimeError('hush')\n"
    install(tmp_path, "odd_plug_in", code, actions={"odd": "Odd"})
    app.workflow({"type": "odd", "config": {}}, email())
    app.complete()
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(tmp_path)})
    done = minutehand("run-once")
    told = next(line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "action_crashed")
    assert (told["execution_id"], told["workflow"]) == (str(app.execution()["id"]), "Thank the client")
    assert (told["attempt"], told["step"], told["action"]) == (1, "1", "odd")


@pytest.mark.parametrize(("count", "lines"), [(5, 5), (40, 0)])
def test_many_that_complete_together_are_told_in_one_line(database, count, lines):
    database.sql(ROWS, count)

    async def execute(execution: Execution) -> Outcome:
        return Outcome(execution_id=execution.id, token=execution.lease.token, ended=Ended.DONE)

    logs = run(database.url, execute, budget=None)
    told = Counter(entry["event"] for entry in logs)
    assert told["execution_settled"] == lines
    assert told["execution_completed"] == count - lines
    assert sum(entry["executions"] for entry in logs if entry["event"] == "executions_completed") == count - lines


def test_what_fails_among_many_has_a_line_of_its_own(database):
    database.sql(ROWS, 40)
    (one,) = database.sql("select id from automation_execution_logs limit 1")

    async def execute(execution: Execution) -> Outcome:
        ended = Ended.FAILED if execution.id == str(one["id"]) else Ended.DONE
        return Outcome(execution_id=execution.id, token=execution.lease.token, ended=ended)

    logs = run(database.url, execute, budget=None)
    (told,) = [entry for entry in logs if entry["event"] == "execution_settled"]
    assert told["execution_id"] == str(one["id"])
