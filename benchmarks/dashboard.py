"""The dashboard over a long history: time and size of each view, queries of open pages, delay of a change."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from psycopg.types.json import Jsonb

from benchmarks.database import TABLES, new_database, watch

#: Number of workflows, and of different failures, in the history.
WORKFLOWS, FAILURES = 12, 40
#: Executions a day; the newest ends now.
A_DAY = 40_000
HISTORY = """
insert into automation_execution_logs (
  workflow_id, workflow_version, status, code, reason, trigger_data, entity_id, organization_id, actions_executed,
  created_at, started_at, claimed_at, completed_at, scheduled_at, attempt, max_attempts, worker)
select (%(workflows)s::uuid[])[1 + n %% cardinality(%(workflows)s)], 1, status,
  case status when 'failed' then (array['refused', 'no_recipient', 'timeout', 'partial'])[1 + n %% 4]
    when 'skipped' then 'rate_limited' end,
  case status when 'failed' then 'step ' || (array['Tell the books', 'Thanks', 'Call'])[1 + n %% 3] || ': answered '
      || chr(97 + n %% %(failures)s %% 26) || chr(97 + n %% %(failures)s / 26) || ' after ' || n || ' ms'
    when 'skipped' then 'fired once already within 1 hour for this row and status' end,
  jsonb_build_object('table_name', 'jobs', 'operation', 'UPDATE', 'record_id', n %% 50000,
    'old_status', 'scheduled', 'new_status', 'completed'),
  'J-' || n %% 50000, 'organization', %(steps)s::jsonb, at, at + interval '1 s', at + interval '1 s',
  case when status <> 'pending' then at + interval '1 s' + random() * interval '2 s' end,
  case when status = 'pending' then now() + interval '1 day' end, 1, 5, 'app-1:4711'
from (
  select n, now() - n * (interval '1 day' / %(day)s) as at,
    case when n %% 50 = 0 then 'failed' when n %% 33 = 0 then 'skipped' when n %% 5000 = 1 then 'pending'
      else 'completed' end as status
  from generate_series(1, %(rows)s) as n
) history
"""
TICKS = """
insert into minutehand.tick_log (minute, first_at, due)
select date_trunc('minute', at), date_trunc('minute', at) + interval '1 s', 3
from generate_series(now() - interval '1 day', now(), interval '1 min') as at
"""
#: Name and path of each view; the page of one execution is added.
VIEWS = {
    "overview, 1 h": "/",
    "overview, 24 h": "/?span=24h",
    "overview, 7 d": "/?span=7d",
    "executions": "/executions",
    "executions, failed": "/executions?q=status:failed",
    "executions, pending": "/executions?q=status:pending",
    "executions of a code": "/executions?q=code:timeout",
    "executions of a row": "/executions?q=entity:J-77",
    "executions by words of an error, none": "/executions?q=error:nowhere",
    "executions, far back": '/executions?before=["{old}",+"00000000-0000-0000-0000-000000000000"]',
    "failures, 24 h": "/failures",
    "failures, 7 d": "/failures?span=7d",
    "failures, 30 d": "/failures?span=30d",
    "workflows": "/workflows",
    "a workflow": "/workflows/{workflow}",
    "health": "/health",
}


@dataclass(frozen=True, slots=True)
class View:
    """One view: the first request of a new server and the 95th percentile of the others (ms), and the size in bytes."""

    name: str
    first: float
    p95: float
    size: int


@dataclass(frozen=True, slots=True)
class OpenPages:
    """Queries a second of open pages: while nothing changes, and while something changes all the time."""

    pages: int
    idle: float
    busy: float


def new_history(server: str, rows: int) -> str:
    """Create the database `dashboard` with so many executions, and return its URL."""
    url = new_database(server, "dashboard")
    step = {"type": "email", "config": {"subject": "Done", "message": "Dear {{ client.name }}, it is done."}}
    steps = [
        {"stepId": str(n), "name": "Thanks", "status": "success", "result": {"type": "email", "status": "sent",
         "recipient": "client@example.com", "subject": "Done", "text": "It is done. " * 10}}
        for n in (1, 2)
    ]  # fmt: skip
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
        workflows = [
            connection.execute(
                "insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps) "
                "values (%s, 'organization', 'job_completed', %s, %s) returning id",
                [f"Workflow {number}", Jsonb({"conditions": []}), Jsonb([step, step])],
            ).fetchone()
            for number in range(WORKFLOWS)
        ]
        fill = {
            "workflows": [str(row[0]) for row in workflows if row],
            "failures": FAILURES,
            "rows": rows,
            "day": A_DAY,
        }
        connection.execute(HISTORY.encode(), fill | {"steps": Jsonb(steps)})
        connection.execute(TICKS.encode())
        connection.execute(b"alter database \"dashboard\" set track_functions = 'pl'")
        connection.execute(b"vacuum (analyze)")
    watch(url, "jobs")
    return url


@contextmanager
def serving(url: str) -> Iterator[httpx.Client]:
    """Run `minutehand serve` on this database; yields an HTTP client of it."""
    environment = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent), "DATABASE_URL": url}
    command = [sys.executable, "-m", "minutehand.scheduler.cli.main", "serve", "--port", "0"]
    with tempfile.TemporaryDirectory(prefix="mh-bench-") as folder:
        process = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            started = next((line for line in process.stderr if '"server_started"' in line), "")
            if not started:
                raise SystemExit("serve did not start")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            base = f"http://127.0.0.1:{json.loads(started)['port']}"
            with httpx.Client(base_url=base, timeout=30, limits=httpx.Limits(max_connections=None)) as client:
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def views(url: str, client: httpx.Client, rounds: int) -> Iterator[View]:
    """Request the views in turn, and no view twice within the second for which the server caches it."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select id::text, workflow_id::text, (now() - interval '20 days')::timestamptz(0)::text "
            "from automation_execution_logs where status = 'failed' limit 1"
        ).fetchone()
    assert row is not None
    known = {"workflow": row[1], "old": quote(row[2].replace(" ", "T"))}
    paths = {name: path.format(**known) for name, path in VIEWS.items()} | {"an execution": f"/executions/{row[0]}"}
    took: dict[str, list[float]] = {name: [] for name in paths}
    sizes: dict[str, int] = {}
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for name, path in paths.items():
            started = time.perf_counter()
            answer = client.get(path)
            took[name].append((time.perf_counter() - started) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answered {answer.status_code}")
            sizes[name] = len(answer.content)
        time.sleep(max(0.0, 1.1 - (time.perf_counter() - began)))
    for name, (first, *others) in took.items():
        yield View(name, first, sorted(others)[int(len(others) * 0.95)], sizes[name])


def open_pages(url: str, client: httpx.Client, pages: int, seconds: float) -> OpenPages:
    """Hold so many overviews open; each reloads when the server reports a change, as the page's script does."""
    stop = threading.Event()
    connected = threading.Barrier(pages + 1)

    def page() -> None:
        with client.stream("GET", "/live", timeout=None) as stream:
            connected.wait()
            for line in stream.iter_lines():
                if stop.is_set():
                    return
                if line == "event: changed":
                    time.sleep(0.25)
                    client.get("/").raise_for_status()

    for _ in range(pages):
        threading.Thread(target=page, daemon=True).start()
    connected.wait()
    with psycopg.connect(url, autocommit=True) as connection:

        def queries_per_second(*, change: bool) -> float:
            begin, started = _calls(connection), time.perf_counter()
            while time.perf_counter() - started < seconds:
                time.sleep(1 / CHANGES)
                if change:
                    connection.execute(TOUCH)
            return (_calls(connection) - begin) / (time.perf_counter() - started)

        result = OpenPages(pages, queries_per_second(change=False), queries_per_second(change=True))
        stop.set()
        connection.execute(TOUCH)
    return result


#: Changes a second while pages are held open.
CHANGES = 2
TOUCH = (
    b"insert into automation_execution_logs (workflow_id, status, entity_id, trigger_data, completed_at) "
    b"select id, 'completed', 'touched', '{}', now() from automation_workflows limit 1"
)


def _calls(connection: psycopg.Connection) -> int:
    """Return the number of queries: the check for changes and the overview each call the metrics once."""
    time.sleep(2)  # PostgreSQL reports statistics about once a second
    row = connection.execute(
        b"select coalesce(sum(calls), 0) from pg_stat_user_functions where funcname = 'automation_metrics'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def on_screen_ms(url: str, client: httpx.Client, times: int) -> Sequence[float]:
    """Time from a commit until a browser shows its row (ms); empty where no browser is installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        return ()
    from playwright.sync_api import sync_playwright

    took = []
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        stack.callback(browser.close)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        page = browser.new_page()
        page.goto(f"{client.base_url}/executions")
        page.locator("#live[data-state=on]").wait_for()
        for number in range(times):
            page.wait_for_timeout(1500 + 370 * (number % 3))  # not in step with the server's polling
            connection.execute(
                "insert into automation_execution_logs (workflow_id, status, entity_id, trigger_data) "
                "select id, 'completed', %s, '{}' from automation_workflows limit 1",
                [f"seen-{number}"],
            )
            started = time.perf_counter()
            page.get_by_text(f"seen-{number}").wait_for()
            took.append((time.perf_counter() - started) * 1000)
    return took
