"""A small app whose data is in PostgreSQL, and the command line of its operator, for the journeys."""

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

from tests.journeys import preloaded
from tests.servers import Database

COMMAND = (sys.executable, "-m", "minutehand.scheduler.cli.main")
#: Signs webhooks; `printf 'a test secret of 24 bytes, or so' | base64`.
SECRET = "whsec_YSB0ZXN0IHNlY3JldCBvZiAyNCBieXRlcywgb3Igc28="
#: How long a test waits for a condition before it fails.
DEADLINE_SECONDS = 60.0

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
    """The app's watched tables.  Of Minutehand the app knows only the table of workflows."""

    database: Database
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.database.sql(TABLES)
        self.database.call("automation_trigger_add", p_table="jobs")

    def workflow(self, *steps: Any, name: str = "Thank the client", **columns: Any) -> str:
        """Save a workflow that a completed job starts, and return its id."""
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
        """Create a job, complete it with an UPDATE, and return its id."""
        job = f"J-{2018 + next(self._numbers)}"
        self.database.sql(
            "insert into jobs (id, organization_id, client_id) values (%s, %s, %s)", job, organization, client
        )
        self.database.sql("update jobs set status = %s where id = %s", status, job)
        return job

    def complete_many(self, count: int) -> None:
        """Create so many jobs and complete them in one statement."""
        self.database.sql(
            "insert into jobs (id, organization_id, client_id) "
            "select 'B-' || n, 'north', 'C-1' from generate_series(1, %s) n",
            count,
        )
        self.database.sql("update jobs set status = 'completed' where id like 'B-%%'", *())

    def match(self) -> None:
        """Match what the trigger had no time for, on a busy machine: else a tick does it."""
        self.database.sql(
            "select public.automation_match(jsonb_agg(id)) from automation_events where matched_at is null"
            " having count(*) > 0"
        )

    def executions(self) -> list[dict[str, Any]]:
        """All executions, oldest first."""
        return self.database.sql("select * from automation_execution_logs order by created_at, id")

    def execution(self) -> dict[str, Any]:
        """The only execution."""
        return self.database.one("select * from automation_execution_logs")

    def end_of(self, job: str) -> tuple[str, str | None, str | None]:
        """Status, code and reason of a job's only execution."""
        row = self.database.one("select status, code, reason from automation_execution_logs where entity_id = %s", job)
        return row["status"], row["code"], row["reason"]

    def sends(self) -> list[dict[str, Any]]:
        """The rows of `communication_logs`, oldest first."""
        return self.database.sql("select * from communication_logs order by created_at, id")

    def sends_by(self, channel: str) -> list[dict[str, Any]]:
        """The sends of one channel."""
        return [send for send in self.sends() if send["channel"] == channel]

    def make_due(self) -> None:
        """Make every pending execution due."""
        self.database.sql("update automation_execution_logs set scheduled_at = now() where status = 'pending'")

    def expire_leases(self) -> None:
        """Make every lease expire."""
        self.database.sql(
            "update automation_execution_logs set lease_expires_at = now() - interval '1 s' where status = 'processing'"
        )


@dataclass
class Minutehand:
    """The command, run in its own folder with only these environment variables."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run it until it exits.  A variable with the value None is removed."""
        return self.fed("", *arguments, **environment)

    def fed(self, stdin: str, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run it with this text as standard input."""
        variables = self._environ(environment)
        if preloaded.can_run(variables):
            return preloaded.run(arguments, variables, self.folder, stdin, 3 * DEADLINE_SECONDS)
        return subprocess.run(
            [*COMMAND, *arguments],
            env=variables,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=3 * DEADLINE_SECONDS,
        )

    def run_once(self, *arguments: str, **environment: str | None) -> dict[str, Any]:
        """Run `run-once -o json`, which must succeed, and return the summary."""
        done = self("run-once", "-o", "json", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def drain_until(self, condition: Callable[[], Any], what: str) -> None:
        """Run `run-once --drain` until the condition is true.

        Each run lasts a few seconds, since a drain waits for what comes back soon.
        """

        def met() -> Any:
            self.run_once("--drain", "--max-time", "3s")
            return condition()

        wait_until(met, what)

    @contextmanager
    def running(self, *arguments: str, **environment: str | None) -> Iterator[Running]:
        """Run it in the background; it is killed at the end of the block."""
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
        variables = {**base, **self.environment, **more}
        return {name: value for name, value in variables.items() if value is not None}


@dataclass
class Running:
    """A command that runs in the background."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def heard(self) -> str:
        """Its stderr so far."""
        return self.err.read_text()

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What it has logged so far of these events, in order."""
        lines = [json.loads(line) for line in self.heard().split("\n")[:-1]]
        return [line for line in lines if line["event"] in names]

    def said_each_outage_once(self) -> bool:
        """Whether it said of each absence of the database when it began, and nothing more until it had ended."""
        names = [line["event"] for line in self.events("database_unreachable", "database_reachable")]
        return names == ["database_unreachable", "database_reachable"] * (len(names) // 2)

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait_until_heard(self) -> None:
        """Wait until it has dealt with the signals that it was sent: none is pending, and it sleeps."""

        def sleeps() -> bool:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines)
            return int(status["ShdPnd"], 16) == 0 and status["State"].startswith("S")

        wait_until(sleeps, "its hearing the signal")

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Optionally send it a signal, then wait until it exits: exit code, stdout, stderr."""
        if number is not None:
            self.kill(number)
        return self.process.wait(DEADLINE_SECONDS), self.out.read_text(), self.heard()


class Gate(threading.Event):
    """An event that a receiver waits for before it answers; `reached` is set when it begins to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event.wait`."""
        self.reached.set()
        return super().wait(timeout)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until the condition is true; fail with its name after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out while waiting for: {what}"
        time.sleep(0.02)
