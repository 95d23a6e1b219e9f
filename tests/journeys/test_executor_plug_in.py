"""An executor of a plug-in: it is found by its name, runs what is claimed, and says how that ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.app import App, Minutehand, email
from tests.plug_in import install
from tests.servers import Database

CODE = """
from contextlib import asynccontextmanager

from minutehand import Ended, Outcome

@asynccontextmanager
async def open_refuser(store, settings, *, stopping):
    yield Refuser()

class Refuser:
    async def execute(self, execution):
        return Outcome.of(execution, Ended.FAILED, code="refused", reason=f"not {execution.workflow.name}")
"""


@pytest.fixture
def minutehand(database: Database, tmp_path: Path) -> Minutehand:
    install(tmp_path, "refuser", CODE, executors={"refuser": "open_refuser", "broken": "nothing_there"})
    return Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(tmp_path)})


def test_an_executor_of_a_plug_in_runs_what_is_claimed(database: Database, minutehand: Minutehand) -> None:
    app = App(database)
    app.workflow(email())
    app.complete()
    assert minutehand.run_once("--executor", "refuser")["failed"] == 1
    execution = app.execution()
    assert (execution["code"], execution["reason"]) == ("refused", "not Thank the client")


def test_an_executor_that_does_not_exist_is_refused_with_those_that_do(minutehand: Minutehand) -> None:
    done = minutehand("run-once", MINUTEHAND_EXECUTOR="celery")
    assert done.returncode == 2
    assert "unknown executor 'celery'; choose one of: broken, function, http, local, refuser" in done.stderr
    assert "MINUTEHAND_EXECUTOR" in done.stderr


def test_an_executor_whose_plug_in_does_not_load_is_bad_configuration(
    database: Database, minutehand: Minutehand
) -> None:
    app = App(database)
    app.workflow(email())
    app.complete()
    done = minutehand("run-once", "--executor", "broken")
    assert done.returncode == 78
    assert "the plug-in for the executor `broken` (refuser:nothing_there) does not load: AttributeError" in done.stderr
    assert app.execution()["status"] == "pending"
