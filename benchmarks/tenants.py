"""Claims and ticks by the number of tenants that have pending executions: CPU of the server's process, in ms a call.

python -m benchmarks.tenants [case …]
"""

from __future__ import annotations

import statistics
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.database import new_database, running_server

TENANTS = (1, 100, 10_000, 100_000)
ROWS = 100_000
REPEATS = 7

WORKFLOW = """
insert into automation_workflows (name, user_id, trigger_type, steps, settings)
values (%s, null, 'job_created', '[{"type": "stop"}]', '{"breaker": null}') returning id
"""
PENDING = """
insert into automation_execution_logs (
  workflow_id, workflow_version, trigger_data, entity_id, organization_id, created_at, scheduled_at, event_id)
select %(workflow)s, 1, '{}', 'job-' || n, 'tenant-' || mod(n, %(tenants)s),
       now() - interval '1 hour' + n * interval '1 ms',
       case when %(later)s then now() + interval '2 days' + n * interval '1 ms' end,
       nextval('public.automation_events_id_seq')
from generate_series(%(first)s, %(rows)s) as n
"""


def fill(database: psycopg.Connection, case: str, tenants: int) -> None:
    """Insert 100,000 pending executions of `tenants`; in most cases the last 1,000 rows alone may be claimed."""
    database.execute("truncate automation_execution_logs, automation_control")
    (mine,), (other,) = (database.execute(WORKFLOW, [name]).fetchone() for name in ("Mine", "Other"))  # type: ignore[misc]
    rows: dict[str, Any] = {"workflow": mine, "tenants": tenants, "later": False, "first": 1, "rows": ROWS}
    free = 0 if case == "all due" else 5 if case.endswith(" 5") else 1000
    kind = case.removesuffix(" 5")
    database.execute(PENDING, rows | {"rows": ROWS - free, "later": kind == "waiting", "workflow": other})
    database.execute(PENDING, rows | {"first": ROWS - free + 1})
    if kind == "paused":
        database.execute("insert into automation_control (scope, target) values ('workflow', %s)", [str(other)])
    if kind == "one busy":
        database.execute(
            "update automation_execution_logs set scheduled_at = now() + interval '2 days' where workflow_id = %s",
            [other],
        )
        database.execute(PENDING, rows | {"workflow": other, "tenants": 1})
    database.execute("vacuum (analyze) automation_execution_logs")


def cpu_ms(database: psycopg.Connection, pid: int, act: Callable[[], object], *, keep: bool = False) -> float:
    """Return the median CPU time of the server's process for a call, which is rolled back unless `keep`."""
    times = []
    for _ in range(REPEATS + 5):
        before = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        with database.transaction(force_rollback=not keep):
            act()
            database.execute("select 1")
            times.append((int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) - before) / 1e6)
    return statistics.median(times[5:])  # by then the session keeps its plans


def claim(database: psycopg.Connection, limit: int) -> None:
    """Claim."""
    row = database.execute(
        "select jsonb_array_length(automation_claim(%s, %s) -> 'executions')", [uuid.uuid4(), limit]
    ).fetchone()
    if row is None or not row[0]:
        raise SystemExit("nothing was claimed")


def main() -> None:
    """Print a table."""
    cases = sys.argv[1:] or ["all due", "waiting", "waiting 5", "paused", "paused 5", "one busy"]
    with running_server() as server:
        url = new_database(server, "tenants")
        with psycopg.connect(url, autocommit=True) as database:
            pid = database.info.backend_pid
            print(f"{'case':12}{'tenants':>9}{'claim 10':>10}{'claim 200':>10}{'tick':>8}", flush=True)
            for case in cases:
                for tenants in TENANTS:
                    fill(database, case, tenants)
                    figures = [
                        cpu_ms(database, pid, lambda: claim(database, 10)),
                        cpu_ms(database, pid, lambda: claim(database, 200)),
                        cpu_ms(database, pid, lambda: database.execute("select automation_tick()"), keep=True),
                    ]
                    print(f"{case:12}{tenants:>9,}" + "".join(f"{figure:>10.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
