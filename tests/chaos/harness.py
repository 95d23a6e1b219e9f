"""What the chaos tests share: a crew of processors, a flow of changes with trouble in it, and the reckoning afterwards.

    flow ──changes──► database ◄──claims── crew ──► shop (webhooks), post (e-mail)
      └── trouble: kill one, deploy one, stop the database

A trigger of the test's notes each end and each lost lease, so that what happened twice is seen although the second
hides the first.  `CHAOS=long` makes all of it long: `make chaos`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Mail, Request, SmtpReceiver
from tests.journeys.app import App, Minutehand, Running, email, wait_until, webhook
from tests.servers import Database

LONG = os.environ.get("CHAOS") == "long"
#: As short as it may be, so that what a dead worker held comes back soon.
LEASE_SECONDS = 10
#: What runs when a processor is told to end must end, also on a busy machine.
GRACE_SECONDS = 30
#: `throughput back`: as many ends within such a window as there are changes, but for a twentieth.
WINDOW_SECONDS, ENOUGH = 2.0, 0.95
#: The trouble must be over in this time; the flow goes on undisturbed for as long as half of it.
RECOVERED_SECONDS = 10.0
#: The flow comes in statements of this size.
CHANGES_AT_ONCE = 10

AUDIT = """
create table chaos_ends (id uuid, status text, at timestamptz default clock_timestamp());
create table chaos_losses (id uuid, worker text);
create function chaos_note() returns trigger language plpgsql as $$
begin
  if new.status in ('completed', 'failed', 'skipped', 'cancelled') and old.status is distinct from new.status then
    insert into public.chaos_ends values (new.id, new.status);
  end if;
  if new.lost_leases > coalesce(old.lost_leases, 0) then
    insert into public.chaos_losses values (new.id, old.worker);
  end if;
  return null;
end
$$;
create trigger chaos_note after update on automation_execution_logs for each row execute function chaos_note();
"""


def of_size(short: int, long: int) -> int:
    """How much: `short` in the normal run; `long`, or what the variable CHAOS_SHARE leaves of it, in the long one."""
    return max(short, int(long * float(os.environ.get("CHAOS_SHARE", "1")))) if LONG else short


class Shop(HttpReceiver):
    """Receives webhooks, and takes some time over each, so that a worker can die meanwhile."""

    def __enter__(self) -> Self:
        made = super().__enter__()
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # its clients are killed
        return made

    def _take(self, request: Request) -> Answer:
        time.sleep(random.uniform(0.005, 0.04))
        return super()._take(request)


class Post(SmtpReceiver):
    """Receives e-mail, and takes some time to say that it has it, so that a worker can die without hearing it."""

    async def _take(self, mail: Mail) -> str:
        said = await super()._take(mail)
        await asyncio.sleep(random.uniform(0.005, 0.04))
        return said


@dataclass
class Scene:
    """The app with one workflow (a webhook, then an e-mail), the receivers, and the command."""

    app: App
    minutehand: Minutehand
    shop: Shop
    post: Post
    #: Names of the jobs that were completed.
    jobs: list[str] = field(default_factory=list)
    #: When each trouble was over.
    troubles: list[float] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(5))

    def __post_init__(self) -> None:
        self.app.database.sql(AUDIT)
        self.minutehand.environment |= {
            "SMTP_URL": self.post.url,
            "EMAIL_FROM": "Acme <no-reply@example.com>",
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{self.shop.port}",
            "MINUTEHAND_LEASE_SECONDS": str(LEASE_SECONDS),
            "MINUTEHAND_GRACE_SECONDS": str(GRACE_SECONDS),
            "MINUTEHAND_POLL_SECONDS": "1",
        }
        steps = webhook(f"{self.shop.url}/{{{{ job.id }}}}"), email(subject="{{ job.id }}")
        self.app.workflow(*steps, settings={"breaker": None})  # many changes of the app's own are no loop

    def change(self, count: int) -> None:
        """Complete so many jobs in one statement."""
        new = [f"J-{len(self.jobs) + number}" for number in range(count)]
        self.app.database.sql(
            "insert into jobs (id, organization_id, client_id) select id, 'north', 'C-1' from unnest(%s::text[]) id",
            new,
        )
        self.app.database.sql("update jobs set status = 'completed' where id = any (%s)", new)
        self.jobs += new

    def flow(
        self,
        count: int,
        per_second: float,
        *troubles: Callable[[], object],
        at_once: int = CHANGES_AT_ONCE,
        quiet_seconds: float = RECOVERED_SECONDS / 2,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Let `count` changes flow, and the troubles befall them, one after another, at random moments of even slices.

        The last seconds of it are quiet.  `between` is called after each statement.
        """
        bursts = count // at_once
        slice_ = (bursts - quiet_seconds * per_second / at_once) / len(troubles)
        at = [int(slice_ * (number + self.random.uniform(0.2, 1))) for number in range(len(troubles))]
        waiting = list(zip(at, troubles, strict=True))
        for burst in range(bursts):
            began = time.monotonic()
            self.change(at_once)
            while waiting and waiting[0][0] <= burst:
                time.sleep(self.random.uniform(0, 0.1))
                waiting.pop(0)[1]()
                self.troubles.append(time.time())
            between()
            time.sleep(max(0.0, at_once / per_second - (time.monotonic() - began)))
        assert not waiting

    def unfinished(self) -> int:
        """How many executions are not at their end."""
        query = "select count(*) as n from automation_execution_logs where completed_at is null"
        return int(self.app.database.one(query)["n"])

    def come_to_rest(self) -> None:
        """With the crew gone, let the time pass, and the ticks run, until all have ended."""
        for _ in range(8):
            if not self.unfinished():
                return
            self.app.expire_leases()
            self.minutehand.run_once("--drain")
            self.app.make_due()
            self.minutehand.run_once("--drain")


@dataclass
class Crew:
    """Processors that run beside the test, each in a place of its own, where another takes over when it is gone."""

    minutehand: Minutehand
    random: random.Random
    #: `host:pid` of those that were killed ends so.
    killed: set[int] = field(default_factory=set)
    deployed: int = 0
    _places: dict[int, tuple[tuple[str, ...], ExitStack, Running]] = field(default_factory=dict)

    def start(self, *command: str, place: int | None = None) -> None:
        """Start one, in the place of another or in a new one."""
        stack = ExitStack()
        running = stack.enter_context(self.minutehand.running(*command))
        self._places[len(self._places) if place is None else place] = command, stack, running

    def kill(self, holders: list[int]) -> None:
        """Kill one of those that hold something, by process id, else any; another takes its place."""
        busy = [place for place, (_, _, running) in self._places.items() if running.process.pid in holders]
        place = self.random.choice(busy or list(self._places))
        command, stack, running = self._places[place]
        running.end(signal.SIGKILL)
        stack.close()
        self.killed.add(running.process.pid)
        self.start(*command, place=place)

    def deploy(self, kind: str = "worker") -> None:
        """Put a new one in the place of one of this kind: ended by SIGTERM, cleanly."""
        place = self.random.choice([number for number, (command, _, _) in self._places.items() if command[0] == kind])
        command = self._places[place][0]
        self._end(place)
        self.deployed += 1
        self.start(*command, place=place)

    def again(self) -> None:
        """Start anew whoever has come to its own end, as cron does."""
        for place, (command, stack, running) in list(self._places.items()):
            if running.process.poll() is not None:
                assert running.process.returncode == 0, running.heard()
                stack.close()
                self.start(*command, place=place)

    def _end(self, place: int) -> None:
        command, stack, running = self._places[place]
        is_brief = command[0] == "run-once"  # it comes to its own end
        # A signal finds no handler before the first word, and ends it at once.
        wait_until(lambda: is_brief or running.heard() or running.process.poll() is not None, "the first word")
        code, _, said = running.end(None if is_brief else signal.SIGTERM)
        assert code == 0, (command, code, said[-2000:])
        stack.close()

    def heard(self) -> list[str]:
        """What each has logged so far."""
        return [running.heard() for _, _, running in self._places.values()]

    def leave(self) -> None:
        """End all, by SIGTERM."""
        for place in list(self._places):
            self._end(place)
        self._places.clear()

    def close(self) -> None:
        """Kill whoever is left."""
        for _, stack, _ in self._places.values():
            stack.close()


@contextmanager
def crew(scene: Scene, *commands: tuple[str, ...]) -> Iterator[Crew]:
    """A crew for the scene, one processor for each command."""
    made = Crew(scene.minutehand, scene.random)
    try:
        for command in commands:
            made.start(*command)
        yield made
    finally:
        made.close()


def holders(scene: Scene) -> list[int]:
    """Process ids of those who hold a lease now."""
    query = "select distinct worker from automation_execution_logs where lease_expires_at is not null"
    return [pid_of(row["worker"]) for row in scene.app.database.sql(query)]


def pid_of(worker: str) -> int:
    """The process id in a worker's name."""
    return int(worker.rpartition(":")[2])


def connected(url: str) -> Database:
    """Connect to a server that may be coming up."""
    found: list[Database] = []

    def connect() -> bool:
        with suppress(psycopg.OperationalError):
            found.append(Database(url, psycopg.connect(url, autocommit=True, row_factory=dict_row)))
        return bool(found)

    wait_until(connect, "the server")
    return found[0]


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """What became of everything.  `lost`, `doubled` and `stuck` name those that break a promise."""

    executions: int
    kills: int = 0
    restarts: int = 0
    lost: list[str]
    doubled: list[str]
    stuck: list[str]
    uncertain: int
    poisoned: int
    #: From the end of a trouble that was followed by quiet until the throughput was back: the longest.
    seconds_to_recover: float

    def tell(self, title: str) -> None:
        """Print it as a row of a table."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        cells = {name: str(len(value) if isinstance(value, list) else value) for name, value in values.items()}
        print(f"\n| {title} | " + " | ".join(name.replace("_", " ") for name in cells) + " |")
        print("|" + "---|" * (len(cells) + 1))
        print("| | " + " | ".join(cells.values()) + " |")


def reckon(scene: Scene, **counts: int) -> Reckoning:
    """Count what became of everything, by the database, by the receivers, and by the test's own notes of each end."""
    sql = scene.app.database.sql
    rows = sql(
        "select id, entity_id, status, code, created_at, completed_at from automation_execution_logs"
        " where trigger_data ->> 'table_name' = 'jobs'"
    )
    ends = Counter(row["id"] for row in sql("select id from chaos_ends"))
    mails = Counter(str(mail.message["subject"]) for mail in scene.post.messages)
    hooks = {(request.path.strip("/"), request.headers["idempotency-key"]) for request in scene.shop.requests}
    keys = Counter(job for job, _ in hooks)
    by_job = Counter(row["entity_id"] for row in rows)
    assert set(by_job) <= set(scene.jobs), "each execution is of a job"

    def is_explained(row: dict[str, Any]) -> bool:
        if row["status"] == "completed":
            return bool(mails[row["entity_id"]] and keys[row["entity_id"]])
        return (row["status"], row["code"]) in (("failed", "uncertain_send"), ("failed", "poisoned"))

    lost = [job for job in scene.jobs if not by_job[job]]
    lost += [
        f"{row['entity_id']}: {row['status']}, {row['code']}"
        for row in rows
        if ends[row["id"]] and not is_explained(row)
    ]
    doubled = [job for counted in (by_job, mails, keys) for job, count in counted.items() if count > 1]
    doubled += [f"{row['entity_id']}: {ends[row['id']]} ends" for row in rows if ends[row["id"]] > 1]
    came = sorted(row["created_at"].timestamp() for row in rows)
    finished = sorted(row["at"].timestamp() for row in sql("select at from chaos_ends"))
    return Reckoning(
        executions=len(rows),
        lost=lost,
        doubled=doubled,
        stuck=[row["entity_id"] for row in rows if row["completed_at"] is None or not ends[row["id"]]],
        uncertain=sum(row["code"] == "uncertain_send" for row in rows),
        poisoned=sum(row["code"] == "poisoned" for row in rows),
        seconds_to_recover=max(_recovered(came, finished, at) for at in _followed_by_quiet(scene.troubles)),
        **counts,
    )


def _followed_by_quiet(troubles: list[float]) -> list[float]:
    following = [*troubles[1:], float("inf")]
    return [at for at, after in zip(troubles, following, strict=True) if after - at > RECOVERED_SECONDS]


def _recovered(came: list[float], finished: list[float], since: float) -> float:
    """Seconds from a moment until as many end as come."""

    def within(moments: list[float], start: float) -> int:
        return bisect_left(moments, start + WINDOW_SECONDS) - bisect_left(moments, start)

    after = 0.0
    while within(finished, since + after) < ENOUGH * within(came, since + after):
        after += 0.1
    return round(after, 1)
