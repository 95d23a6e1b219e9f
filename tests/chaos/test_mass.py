"""A million are pending: a claim and a beat touch no more of the database, and the worker's memory stays as it is."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

from psycopg.types.json import Jsonb

from tests.chaos.harness import of_size
from tests.journeys.app import Minutehand, wait_until
from tests.servers import Database

FEW = 1_000
#: What a version of the workflow weighs: enough that a worker which kept all of them would show it.
LETTER = "Bring a ladder. " * 250
VERSIONS = FEW * 8
#: How many executions a worker has run when its memory has been as large as its batches make it.
WARM = 3_000
#: What the memory of a worker may grow by after that: by what Python keeps free.
MOST_GROWTH_MB = 12.0
#: Deeper indexes cost a page here and there; a scan would cost thousands.
MOST_PAGES = 1.5
CALLS = {
    "claim of 200": "automation_claim(gen_random_uuid(), 200, 'w')",
    "claim of 10": "automation_claim(gen_random_uuid(), 10, 'w')",
    "tick": "automation_tick()",
}
#: Looked up by index alone: the test must not be the load.
WARM_DONE = f"select 1 from automation_execution_logs where entity_id = 'job-{WARM}' and completed_at is not null"
UNDONE = """
select 1 where exists (select from automation_execution_logs where status = 'pending')
  or exists (select from automation_execution_logs where lease_expires_at is not null)
"""


def fill(database: Database, count: int) -> None:
    """Let so many more be pending, each of another version of a workflow that reaches nobody."""
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, status, trigger_data, entity_id, organization_id, event_id,
          created_at, scheduled_at)
        select w.id, 1 + n %% %s, 'pending', '{}', 'job-' || n, 'north', nextval('public.automation_events_id_seq'),
               now() - interval '1 hour', now() - interval '1 s' + n * interval '1 microsecond'
        from automation_workflows w, generate_series(1, %s) n
        """,
        VERSIONS,
        count,
    )


def workflow(database: Database) -> None:
    """Save one that stops before its letter, in many versions."""
    steps = [{"type": "stop"}, {"type": "email", "config": {"subject": "Done", "message": LETTER}}]
    row = database.one(
        "insert into automation_workflows (name, organization_id, trigger_type, steps, settings) "
        "values ('Tell the client', 'north', 'job_completed', %s, '{\"breaker\": null}') returning id",
        Jsonb(steps),
    )
    database.sql(
        """
        insert into automation_workflow_versions (workflow_id, version, definition)
        select workflow_id, n, definition from automation_workflow_versions, generate_series(2, %s) n
        where workflow_id = %s
        """,
        VERSIONS,
        row["id"],
    )


def pages(database: Database, call: str) -> float:
    """How many pages of the database a call touches; undone."""
    counts = []
    for _ in range(5):
        with database.connection.transaction(force_rollback=True):
            (row,) = database.sql(f"explain (analyze, buffers, format json) select public.{call}")
        plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
        counts.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return median(counts)


def memory_mb(pid: int) -> float:
    """What a process keeps in memory."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_a_mass_of_pending_costs_neither_pages_nor_memory(database: Database, tmp_path: Path) -> None:
    mass = of_size(8_000, 1_000_000)
    workflow(database)
    fill(database, FEW)
    few = {name: pages(database, call) for name, call in CALLS.items()}
    fill(database, mass - FEW)
    many = {name: pages(database, call) for name, call in CALLS.items()}

    with Minutehand(tmp_path, {"DATABASE_URL": database.url}).running("worker") as worker:
        first = 0.0
        while not database.sql(WARM_DONE):
            first = max(first, memory_mb(worker.process.pid))
            time.sleep(0.02)
        wait_until(lambda: not database.sql(UNDONE), "the rest", 1_800)
        last = memory_mb(worker.process.pid)
    ends = [row["at"].timestamp() for row in database.sql("select completed_at as at from automation_execution_logs")]
    ends.sort()
    tenth = len(ends) // 10
    begin, end = ends[tenth] - ends[0], ends[-1] - ends[-tenth]
    print(f"\n| pending | {' | '.join(f'pages of a {name}' for name in CALLS)} | MB |")
    for count, touched, mb in (FEW, few, first), (mass, many, last):
        print(f"| {count:,} | {' | '.join(f'{touched[name]:g}' for name in CALLS)} | {mb:.0f} |")
    print(f"{len(ends) / (ends[-1] - ends[0]):,.0f} a second; the first tenth took {begin:.1f} s, the last {end:.1f} s")

    ends_said = database.sql("select status, code, count(*) as n from automation_execution_logs group by 1, 2")
    assert [(row["status"], row["code"], row["n"]) for row in ends_said] == [("completed", None, mass)]
    assert {name: many[name] <= few[name] * MOST_PAGES for name in CALLS} == dict.fromkeys(CALLS, True)
    assert last - first < MOST_GROWTH_MB
