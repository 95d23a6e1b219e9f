"""The baseline: the polling loop that an app writes first, 10 pending rows at a time, one after the other.

`python -m benchmarks.simple_loop URL PORT noop|webhook` prints `{"executions", "seconds", "cpu_seconds"}`, counted
as in benchmarks/drain.py.  It calls with httpx, the client of the `supabase` package, over one kept-alive connection.
(The standard library's `http.client` takes a third of the time for a call.)
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import httpx
import psycopg

PICK = """
select id, workflow_id, trigger_data from automation_execution_logs
where status = 'pending' order by created_at limit 10
"""
BEGIN = "update automation_execution_logs set status = 'processing', started_at = now() where id = %s"
END = "update automation_execution_logs set status = 'completed', completed_at = now() where id = %s"


def run(url: str, port: str, kind: str) -> dict[str, Any]:
    """Run everything that is pending."""
    hook = f"http://127.0.0.1:{port}/hook"
    done = 0
    with httpx.Client(trust_env=False) as client, psycopg.connect(url, autocommit=True) as connection:
        started, cpu_started = time.perf_counter(), time.process_time()
        while rows := connection.execute(PICK).fetchall():
            for id_, workflow_id, data in rows:
                connection.execute(BEGIN, [id_])
                if kind == "webhook":
                    payload = {"workflowId": str(workflow_id), "executionId": str(id_), "context": data}
                    client.post(hook, json=payload).raise_for_status()
                connection.execute(END, [id_])
                done += 1
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"executions": done, "seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
