"""Pages and files that are large, or many at once: each has a bound, and the server goes on answering others."""

from __future__ import annotations

import asyncio
import doctest
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from minutehand.dashboard.page_threads import PageThreads, PageTooSlow
from minutehand.dashboard.pages import exports
from minutehand.dashboard.presentation import formatting
from minutehand.dashboard.presentation.version_diff import with_changes
from tests.dashboard.served import Serve, Served
from tests.journeys.app import App, wait_until


def test_examples_in_docstrings_are_true() -> None:
    assert doctest.testmod(formatting).failed == 0


# --- versions ---


def versions(*definitions: Any) -> list[dict[str, Any]]:
    """Versions as the database returns them, newest first."""
    return [{"version": len(definitions) - n, "definition": one} for n, one in enumerate(definitions)]


def changes(*definitions: Any) -> list[str]:
    """The lines of the newest version's difference."""
    return [line["text"] for line in with_changes(versions(*definitions))[0]["changes"]]


def test_a_version_shows_what_it_changed_with_two_lines_around() -> None:
    before = {"steps": list("abcdefgh"), "name": "Thanks"}
    after = {"steps": list("abXdefgh"), "name": "Thank you"}
    assert changes(after, before) == [
        " {", '-  "name": "Thanks",', '+  "name": "Thank you",', '   "steps": [', '     "a",', '     "b",',
        '-    "c",', '+    "X",', '     "d",', '     "e",',
    ]  # fmt: skip
    assert changes({"a": list("abcdefgh"), "z": 1}, {"a": list("Xbcdefgh"), "z": 2})[6:9] == ["…", '     "h"', "   ],"]
    assert changes(before, before) == []


@pytest.mark.parametrize(
    "definition",
    [
        {"steps": [str(n) for n in range(100_000)]},
        {"steps": ["x" * 300_000]},
        {"steps": [[n % 7] for n in range(3_000)]},
    ],
    ids=["lines", "characters", "nested"],
)
def test_what_is_too_large_is_not_compared(definition: dict[str, Any]) -> None:
    newest, oldest = with_changes(versions({**definition, "name": 2}, {**definition, "name": 1}))
    assert (newest["too_large"], newest["changes"]) == (True, [])
    assert oldest["too_large"] is False


def test_versions_that_are_slow_to_compare_are_given_up() -> None:
    # Each line comes 20 times, too seldom for difflib to ignore it: 30 s without a limit.
    one = [{"steps": [(n * step) % 240 for n in range(4_900)]} for step in (7, 11, 13, 17)]
    started = time.monotonic()
    rows = with_changes(versions(*one), seconds=0.3)
    assert rows[0]["too_large"] or rows[1]["too_large"]
    assert time.monotonic() - started < 20


def test_large_versions_do_not_stop_the_server(app: App, serve: Serve) -> None:
    id_ = app.workflow({"type": "notify", "config": {"message": "x"}})
    for step in (7, 11):
        app.database.sql(
            "update automation_workflows set settings = jsonb_build_object('list', "
            "(select jsonb_agg(n * %s %% 5000) from generate_series(1, 100000) n)) where id = %s", step, id_,
        )  # fmt: skip
    with serve() as served, ThreadPoolExecutor(1) as browser:
        page = browser.submit(served.get, f"/workflows/{id_}")
        while not page.done():
            assert served.get("/healthz").status_code == 200
        assert page.result().status_code == 200
        assert "Too large to compare" in page.result().text


def test_a_page_that_takes_too_long_is_given_up_and_others_go_on() -> None:
    async def go() -> None:
        threads, gate = PageThreads(build_seconds=2.0), threading.Event()
        with pytest.raises(PageTooSlow):
            await threads.run(gate.wait)
        assert await threads.run(lambda: "another") == "another"
        gate.set()
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 / 0)

    asyncio.run(go())


# --- files ---


def test_two_files_are_written_at_once_and_others_are_refused(app: App, served: Served) -> None:
    app.workflow({"type": "notify", "config": {"message": "x"}})
    for _ in range(3):
        app.complete()
    with ThreadPoolExecutor(40) as pool:
        with psycopg.connect(app.database.url) as other:
            other.execute("lock table automation_execution_logs in access exclusive mode")
            files = [pool.submit(served.get, f"/executions.{'csv' if n % 2 else 'jsonl'}") for n in range(40)]
            wait_until(lambda: sum(file.done() for file in files) == 40 - exports.MAX_FILES, "the refusals")
            refused = [file.result() for file in files if file.done()]
            assert {(file.status_code, file.headers["retry-after"]) for file in refused} == {(503, "5")}
            assert served.get("/healthz").status_code == 200
        written = [file.result() for file in files if file.result().status_code == 200]
    lines = [len(file.text.splitlines()) - ("csv" in file.headers["content-type"]) for file in written]
    assert lines == [3, 3], "without the header of a CSV file"
    assert served.get("/executions.csv").status_code == 200, "the places are free again"


def test_a_file_whose_reader_leaves_frees_its_place(app: App, served: Served) -> None:
    for _ in range(exports.MAX_FILES + 1):
        with psycopg.connect(app.database.url) as other:
            other.execute("lock table automation_execution_logs in access exclusive mode")
            with served.client.stream("GET", f"{served.url}/executions.csv") as file:
                next(file.iter_raw())  # the header
    wait_until(lambda: served.get("/executions.csv").status_code == 200, "a place")
