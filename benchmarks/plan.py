"""The loop that an app writes first, and what Minutehand is measured against: 10 pending at a time, one after the other.

`python -m benchmarks.plan URL PORT noop|webhook` prints `{"executions", "seconds", "cpu_seconds"}`, counted as in
benchmarks/drain.py.  Its calls use one kept connection and a plain client, which is the fastest that this loop can be.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

import psycopg

PICK = """
select id, workflow_id, trigger_data from automation_execution_logs
where status = 'pending' order by created_at limit 10
"""
BEGIN = "update automation_execution_logs set status = 'processing', started_at = now() where id = %s"
END = "update automation_execution_logs set status = 'completed', completed_at = now() where id = %s"


def run(url: str, port: str, kind: str) -> dict[str, Any]:
    """Run everything that is pending."""
    client = http.client.HTTPConnection("127.0.0.1", int(port))
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        started, cpu_started = time.perf_counter(), time.process_time()
        while rows := connection.execute(PICK).fetchall():
            for id_, workflow_id, data in rows:
                connection.execute(BEGIN, [id_])
                if kind == "webhook":
                    call(client, {"workflowId": str(workflow_id), "executionId": str(id_), "context": data})
                connection.execute(END, [id_])
                done += 1
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    client.close()
    return {"executions": done, "seconds": seconds, "cpu_seconds": cpu_seconds}


def call(client: http.client.HTTPConnection, payload: dict[str, Any]) -> None:
    """Post one payload."""
    client.request("POST", "/hook", json.dumps(payload), {"Content-Type": "application/json"})
    reply = client.getresponse()
    reply.read()
    if reply.status != 200:
        raise SystemExit(f"the receiver answered {reply.status}")


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
