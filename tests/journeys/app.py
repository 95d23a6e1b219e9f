"""A small app whose data is in Postgres, as the journeys play it, and the command line as its operator calls it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from tests.servers import Database

COMMAND = (sys.executable, "-m", "minutehand.scheduler.cli.main")
#: Webhooks are signed with it; `printf 'a test secret' | base64`.
SECRET = "whsec_YSB0ZXN0IHNlY3JldA=="
#: How long a test waits for what must happen, before it says that it did not.
DEADLINE_SECONDS = 20.0

_JSON = ("steps", "trigger_config", "settings")

TABLES = """
create table clients (
  id text primary key, organization_id text not null, name text not null, email text
);
create table jobs (
  id text primary key, organization_id text not null, client_id text references clients,
  title text not null default 'Boiler repair', status text not null default 'scheduled'
);
insert into clients values
  ('C-1', 'north', 'Lakeview Hotel', 'hotel@example.com'),
  ('C-2', 'north', 'Corner Bakery', null),
  ('C-3', 'south', 'Harbour Museum', 'museum@example.com');
"""

EMAIL = {"subject": "{{job.title}}: done", "message": "Dear {{client.name}}, job {{job.id}} is done."}


def email(**config: Any) -> dict[str, Any]:
    """An e-mail step to the client."""
    return {"type": "email", "config": EMAIL | config}


def webhook(url: str, **config: Any) -> dict[str, Any]:
    """A webhook step."""
    return {"type": "webhook", "config": {"url": url, **config}}


@dataclass
class App:
    """The app's tables, watched; it knows nothing of Minutehand but the table of its users' workflows."""

    database: Database
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.database.sql(TABLES)
        self.database.call("automation_trigger_add", p_table="jobs")

    def workflow(self, *steps: Any, name: str = "Thank the client", **columns: Any) -> str:
        """Save a workflow of a user, which fires when a job is completed; gives its id."""
        row = {
            "name": name,
            "organization_id": "north",
            "trigger_type": "job_completed",
            "steps": Jsonb(list(steps)),
            **{key: Jsonb(value) if key in _JSON else value for key, value in columns.items()},
        }
        query = (
            f"insert into automation_workflows ({', '.join(row)}) values ({', '.join(['%s'] * len(row))}) returning id"
        )
        return str(self.database.one(query, *row.values())["id"])

    def complete(self, *, client: str | None = "C-1", organization: str = "north", status: str = "completed") -> str:
        """Make a job and complete it, by a plain UPDATE; gives its id."""
        job = f"J-{2018 + next(self._numbers)}"
        self.database.sql(
            "insert into jobs (id, organization_id, client_id) values (%s, %s, %s)", job, organization, client
        )
        self.database.sql("update jobs set status = %s where id = %s", status, job)
        return job

    def complete_many(self, count: int) -> None:
        """Complete so many jobs in one statement."""
        self.database.sql(
            "insert into jobs (id, organization_id, client_id) "
            "select 'B-' || n, 'north', 'C-1' from generate_series(1, %s) n",
            count,
        )
        self.database.sql("update jobs set status = 'completed' where id like 'B-%%'", *())

    def executions(self) -> list[dict[str, Any]]:
        """All executions, oldest first."""
        return self.database.sql("select * from automation_execution_logs order by created_at, id")

    def execution(self) -> dict[str, Any]:
        """The one execution."""
        return self.database.one("select * from automation_execution_logs")

    def end_of(self, job: str) -> tuple[str, str | None, str | None]:
        """Status, code and reason of a job's one execution."""
        row = self.database.one("select status, code, reason from automation_execution_logs where entity_id = %s", job)
        return row["status"], row["code"], row["reason"]

    def sends(self) -> list[dict[str, Any]]:
        """What `communication_logs` says was sent."""
        return self.database.sql("select * from communication_logs order by created_at, id")

    def sends_by(self, channel: str) -> list[dict[str, Any]]:
        """Those of one channel."""
        return [send for send in self.sends() if send["channel"] == channel]

    def make_due(self) -> None:
        """Let the time pass until every pending execution is due."""
        self.database.sql("update automation_execution_logs set scheduled_at = now() where status = 'pending'")

    def expire_leases(self) -> None:
        """Let the time pass until every lease has expired."""
        self.database.sql(
            "update automation_execution_logs set lease_expires_at = now() - interval '1 s' where status = 'processing'"
        )


@dataclass
class Minutehand:
    """The command, called in a folder of its own and with nothing in its environment but what is given here."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run it to its end.  A variable that is None is left out."""
        return self.fed("", *arguments, **environment)

    def fed(self, stdin: str, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run it with this on its standard input."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self._environ(environment),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def run_once(self, *arguments: str, **environment: str | None) -> dict[str, Any]:
        """Run `run-once -o json`, which must succeed; gives what it printed."""
        done = self("run-once", "-o", "json", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    @contextmanager
    def running(self, *arguments: str, **environment: str | None) -> Iterator[Running]:
        """Start it and let it run beside the test; it is killed if the block does not end it."""
        number = next(self._numbers)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=self._environ(environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
            )
        try:
            yield Running(process, out, err)
        finally:
            process.kill()
            process.wait()

    def _environ(self, more: dict[str, str | None]) -> dict[str, str]:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        given = {**base, **self.environment, **more}
        return {name: value for name, value in given.items() if value is not None}


@dataclass
class Running:
    """A command that runs beside the test."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def heard(self) -> str:
        """What it has said on stderr so far."""
        return self.err.read_text()

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send it a signal, if one is given, and wait for its end: exit code, stdout, stderr."""
        if number is not None:
            self.kill(number)
        return self.process.wait(DEADLINE_SECONDS), self.out.read_text(), self.heard()


class Gate(threading.Event):
    """What a receiver waits for before it answers; `reached` tells that it has begun to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event.wait`."""
        self.reached.set()
        return super().wait(timeout)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for what happens elsewhere; fail by name when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.02)
