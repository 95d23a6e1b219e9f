"""How long one tenant's executions wait while another tenant does what costs most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from benchmarks.database import new_database, watch

TABLE = """
create table jobs (
  id bigint generated always as identity primary key, organization_id text, status text, tags text[], notes text);
insert into jobs (organization_id, status) select 'quiet', 'new' from generate_series(1, 100);
insert into jobs (organization_id, status, tags, notes)
select 'costly', 'new', array(select 'tag-' || t from generate_series(1, 9000) t),
       (select string_agg(md5(n::text), '') from generate_series(1, 40000) n) from generate_series(1, 20);
"""
WORKFLOW = """
insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps, settings)
values (%s, %s, 'job_status_changed', %s, %s, '{"rate_limit": null, "breaker": null}')
"""
STOP = [{"type": "stop"}]
WORDS = [f"word-{number}" for number in range(4000)]
#: What the other tenant's workflows are, by name: (trigger_config, steps).
COSTLY: dict[str, tuple[Any, Any]] = {
    "nothing costly": ({}, STOP),
    "conditions of 36 million comparisons": (
        {"conditions": [{"field": "tags", "operator": "in", "value": WORDS}]},
        STOP,
    ),
    "conditions that the tick must match": (
        {"conditions": [{"field": "tags", "operator": "in", "value": WORDS[:5]}]},
        STOP,
    ),
    "templates that cost the most": (
        {},
        [
            {"type": "condition", "config": {"conditions": [{"field": "status", "value": "{{ job.id }}" * 7000}]}},
            {"type": "condition", "config": {"conditions": [{"field": "status", "value": "{{ job.id + 1 }}" * 5000}]}},
        ],
    ),
    "condition steps on large rows": (
        {},
        [{"type": "condition", "config": {"conditions": [{"field": "notes", "operator": "contains", "value": "x"}]}}]
        * 5,
    ),
}


def delays(server: str, seconds: float) -> dict[str, tuple[float, int]]:
    """Return for each kind the longest delay of a quiet tenant's start, in seconds, and how many did not start."""
    took = {}
    for number, (name, (config, steps)) in enumerate(COSTLY.items()):
        url = new_database(server, f"neighbours{number}")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
            connection.execute(WORKFLOW, ["quiet", "quiet", Jsonb({}), Jsonb(STOP)])
            for count in range(20):
                connection.execute(WORKFLOW, [f"costly {count}", "costly", Jsonb(config), Jsonb(steps)])
        watch(url, "jobs")
        with running_worker(url), psycopg.connect(url, autocommit=True) as connection:
            took[name] = measured(connection, seconds)
    return took


def measured(connection: psycopg.Connection[Any], seconds: float) -> tuple[float, int]:
    """Change rows of both tenants for so long, five times a second; then wait for the quiet tenant's executions."""
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        connection.execute("update jobs set status = %s where organization_id = 'costly'", [f"s{number}"])
        connection.execute("update jobs set status = %s where id = %s", [f"s{number}", number % 100 + 1])
        time.sleep(0.2)
    until = time.monotonic() + 30
    while True:
        row = connection.execute(
            "select coalesce(max(extract(epoch from claimed_at - created_at)), 0)::float,"
            " count(*) filter (where claimed_at is null) from automation_execution_logs where organization_id = 'quiet'"
        ).fetchone()
        assert row is not None
        if row[1] == 0 or time.monotonic() > until:
            return row[0], row[1]
        time.sleep(0.2)


@contextmanager
def running_worker(url: str, **environment: str) -> Iterator[None]:
    """Run `minutehand worker` on the database, with these variables; its log is discarded."""
    command = [sys.executable, "-m", "minutehand.scheduler.cli.main", "worker", "--poll-seconds", "1s"]
    with tempfile.TemporaryDirectory() as folder:
        worker = subprocess.Popen(
            command,
            env=os.environ | {"DATABASE_URL": url} | environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            worker.kill()
            worker.wait()
