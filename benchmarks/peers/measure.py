"""What is measured of one peer: each function makes one run and returns its figures by row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.peers.peers import Peer
from benchmarks.peers.programs import SILENT_SECONDS, Broken, Program, Worker, server_cpu_seconds

Figures = dict[str, float]
#: How often the harness looks whether all has ended, once the workers said that all ran.
LOOK_SECONDS = 0.005
#: A worker that begins with nothing to do settles for this long before it is observed.
SETTLE_SECONDS = 3.0
#: Rows that are copied to fill the tables.
SEED = 1000
#: The columns of a table that a copy of a row may share with it; an event starts a workflow once.
COLUMNS = """
select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
  and attname not in ('id', 'event_id')
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """One peer in its database."""

    peer: Peer
    program: Program
    url: str
    #: A connection to another database of the server: it adds nothing to the figures of this one.
    admin: psycopg.Connection[Any]
    database: str
    port: int

    def share_of(self, count: int) -> int:
        """Return how many executions this peer runs where others run `count`."""
        return max(10, round(count * self.peer.share))

    def prepare(self, kind: str, count: int) -> None:
        """Leave exactly `count` pending executions, and settled tables.  Raises `Broken`."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(self.peer.empty.encode())
        if count:
            self.program.call("fill", kind, str(count))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")
            if (left := _number(connection, self.peer.left)) != count:
                raise Broken(f"{self.peer.name} has {left} pending executions instead of {count}")


def drain(bench: Bench, kind: str, count: int, processes: int) -> Figures:
    """Run `count` waiting executions with some processes."""
    count = bench.share_of(count)
    bench.prepare(kind, count)
    with (
        psycopg.connect(bench.url, autocommit=True) as connection,
        bench.program.workers(processes, kind, bench.port) as workers,
    ):
        before = [worker.used()[0] for worker in workers]
        data = _text(bench.admin, "show data_directory")
        wal, server = _wal(bench.admin), server_cpu_seconds(data)
        began = time.monotonic()
        for worker in workers:
            worker.go()
        _wait_for(workers, count)
        _wait_for_the_end(bench, connection)
        seconds = time.monotonic() - began
        used = [worker.used() for worker in workers]
        server = server_cpu_seconds(data) - server
        wal = _wal(bench.admin) - wal
        kept = _number(connection, bench.peer.kept)
    ran = sum(worker.total for worker in workers)
    if ran != count:
        raise Broken(f"{bench.peer.name} ran {ran} executions instead of {count}")
    cpu = sum(after for after, _ in used) - sum(before)
    return {
        "rate": count / seconds,
        "worker_cpu": cpu / count * 1e6,
        "server_cpu": server / count * 1e6,
        "wal": wal / count,
        "rss": max(rss for _, rss in used),
        "kept": kept / count * 100,
    }


def _wait_for(workers: list[Worker], count: int) -> int:
    """Wait until the workers ran this many; returns how many.  Raises `Broken` when they do not proceed."""
    total, changed = 0, time.monotonic()
    while total < count:
        time.sleep(LOOK_SECONDS)
        for worker in workers:
            worker.listen()
        if (ran := sum(worker.total for worker in workers)) != total:
            total, changed = ran, time.monotonic()
        elif time.monotonic() - changed > SILENT_SECONDS:
            raise Broken(f"{workers[0].program.name} stopped after {total} of {count} executions")
    return total


def _wait_for_the_end(bench: Bench, connection: psycopg.Connection[Any]) -> None:
    until = time.monotonic() + SILENT_SECONDS
    while left := _number(connection, bench.peer.left):
        if time.monotonic() > until:
            raise Broken(f"{bench.peer.name} ran all, and {left} did not end")
        time.sleep(LOOK_SECONDS)


def growth(bench: Bench, count: int, finished: int, pending: int) -> Figures:
    """Run `count` executions while many finished and pending ones are in the tables, and as many in empty tables."""
    empty = drain(bench, "noop", count, 1)["rate"]
    count = bench.share_of(count)
    with psycopg.connect(bench.url, autocommit=True) as connection:
        bench.prepare("noop", SEED)
        _keep_rows(connection, "bench_pending", bench.peer.queue)
        with bench.program.workers(1, "noop", bench.port) as workers:
            workers[0].go()
            _wait_for(workers, SEED)
            _wait_for_the_end(bench, connection)
        _keep_rows(connection, "bench_finished", bench.peer.history or bench.peer.queue)
        if bench.peer.history:
            _add_copies(connection, "bench_finished", bench.peer.history, finished)
        _add_copies(connection, "bench_pending", bench.peer.queue, pending + count)
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")
    with bench.program.workers(1, "noop", bench.port) as workers:
        began = time.monotonic()
        workers[0].go()
        ran = _wait_for(workers, count)
        rate = ran / (time.monotonic() - began)
    return {"rate": rate, "ratio": rate / empty}


def _keep_rows(connection: psycopg.Connection[Any], name: str, table: str) -> None:
    """Keep a copy of at most SEED rows."""
    kept = sql.Identifier("public", name)
    connection.execute(sql.SQL("drop table if exists {}").format(kept))
    copy = sql.SQL("create table {} as select * from {} limit {}")
    connection.execute(copy.format(kept, sql.SQL(table), sql.Literal(SEED)))


def _add_copies(connection: psycopg.Connection[Any], name: str, table: str, count: int) -> None:
    """Add `count` rows like the kept ones, with ids of their own."""
    row = connection.execute(COLUMNS, [table]).fetchone()
    assert row is not None
    query = sql.SQL("insert into {} ({}) select {} from {}, generate_series(1, %s)").format(
        sql.SQL(table), sql.SQL(row[0]), sql.SQL(row[0]), sql.Identifier("public", name)
    )
    connection.execute("set session_replication_role = replica")  # no trigger: the rows are the setting, not the work
    connection.execute(query, [-(-count // SEED)])
    connection.execute("reset session_replication_role")


def starts(bench: Bench, count: int) -> Figures:
    """Add executions one at a time to an idle worker; from each commit to the start of its handler, in ms."""
    with _idle_worker(bench, "start") as worker:
        sent = {message["sent"]: message["at"] for message in bench.program.call("send", str(count))}
        until = time.monotonic() + SILENT_SECONDS
        while len(worker.starts) < count and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            worker.listen()
        if len(worker.starts) < count:
            raise Broken(f"{bench.peer.name} started {len(worker.starts)} of {count}")
        # A handler may start before the sender has learned that its transaction is committed.
        delays = [max(0.0, worker.starts[number] - at) * 1000 for number, at in sent.items()]
    cuts = quantiles(delays, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def cold(bench: Bench) -> Figures:
    """Start a process that runs ten executions and exits, in ms."""
    bench.prepare("noop", 10)
    began = time.monotonic()
    said = bench.program.call("once")
    seconds = time.monotonic() - began
    with psycopg.connect(bench.url, autocommit=True) as connection:
        left = _number(connection, bench.peer.left)
    if left or said[-1] != {"ran": 10}:
        raise Broken(f"{bench.peer.name} left {left} of 10 in a cold run, and said {said[-1:]}")
    return {"cold": seconds * 1000}


def idle(bench: Bench, seconds: float) -> Figures:
    """Observe a worker with nothing to do: the transactions of its database a minute, the autovacuum's among them."""
    with _idle_worker(bench, "noop"):
        before, began = _transactions(bench), time.monotonic()
        time.sleep(seconds)
        after = _transactions(bench)
    return {"idle": (after - before) / (time.monotonic() - began) * 60}


@contextmanager
def _idle_worker(bench: Bench, kind: str) -> Iterator[Worker]:
    bench.prepare("noop", 0)
    with bench.program.workers(1, kind, bench.port) as workers:
        workers[0].go()
        time.sleep(SETTLE_SECONDS)
        yield workers[0]


def _transactions(bench: Bench) -> int:
    query = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
    row = bench.admin.execute(query, [bench.database]).fetchone()
    assert row is not None
    return int(row[0])


def _wal(connection: psycopg.Connection[Any]) -> int:
    return _number(connection, "select (pg_current_wal_insert_lsn() - '0/0')::bigint")


def _number(connection: psycopg.Connection[Any], query: str) -> int:
    return int(_text(connection, query))


def _text(connection: psycopg.Connection[Any], query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])
