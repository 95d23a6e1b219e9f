"""A steady load, with autovacuum on and nothing in its way: what it leaves in the tables, and in the WAL."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from minutehand.store.embedded import Embedded
from tests.chaos.harness import LONG, Post, Scene, Shop, connected, crew, of_size, reckon
from tests.journeys.app import App, Minutehand, wait_until

RATE = 100
SECONDS = of_size(5, 300)
#: What an execution of two steps may write, with the app's own change and its event, in bytes of WAL; and what it may
#: keep, in tables and their indexes.  Twice what was measured.
MOST_WAL, MOST_KEPT = 20_000, 6_500
#: Each leaves some three dead rows (claimed, one step done, settled); autovacuum looks each minute, and takes a while.
MOST_DEAD = 3 * RATE * 150
HOT = ("automation_execution_logs", "automation_events", "communication_logs")


class Gauge:
    """Looks at the tables while the load flows."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._began = self._wal(), self.kept()
        self.peak: Counter[str] = Counter()

    def look(self) -> None:
        """Note the dead rows."""
        self.peak |= self.dead()

    def dead(self) -> Counter[str]:
        """Dead rows of the hot tables, as PostgreSQL estimates them."""
        rows = self._scene.app.database.sql("select relname, n_dead_tup from pg_stat_user_tables")
        return Counter({row["relname"]: row["n_dead_tup"] for row in rows if row["relname"] in HOT})

    def kept(self) -> int:
        """Bytes of the hot tables and their indexes."""
        query = "select sum(pg_total_relation_size(name::regclass))::bigint as bytes from unnest(%s::text[]) name"
        return int(self._scene.app.database.one(query, list(HOT))["bytes"])

    def _wal(self) -> int:
        query = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as bytes"
        return int(self._scene.app.database.one(query)["bytes"])

    def since(self) -> tuple[int, int]:
        """Bytes of WAL written, and bytes kept, since it began."""
        wal, kept = self._began
        return self._wal() - wal, self.kept() - kept


def test_a_steady_load_leaves_little_behind(own_server: Embedded, shop: Shop, post: Post, tmp_path: Path) -> None:
    url = own_server.start({"max_connections": "200"})  # all else as it comes, autovacuum too
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": url})
    assert minutehand("migrate").returncode == 0
    scene = Scene(App(connected(url)), minutehand, shop, post)
    database = scene.app.database
    with crew(scene, ("worker",)) as workers:
        wait_until(lambda: database.sql("select id from automation_workers"), "the crew")
        gauge, began = Gauge(scene), time.monotonic()
        # A checkpoint makes the WAL write whole pages again, as those of every day do.
        scene.flow(SECONDS * RATE, RATE, lambda: database.sql("checkpoint"), between=gauge.look)
        wait_until(lambda: not scene.unfinished(), "the end", 600)
        seconds = time.monotonic() - began
        workers.leave()
    end = reckon(scene)
    wal, kept = (part / end.executions for part in gauge.since())
    vacuums = database.sql("select relname, autovacuum_count as n from pg_stat_user_tables")
    counts = {row["relname"]: row["n"] for row in vacuums}
    print(
        "\n| steady load | executions | a second | WAL B | kept B | "
        + " | ".join(f"dead {name}" for name in HOT)
        + " |"
    )
    dead = (f"{gauge.peak[name]:,} at most, {gauge.dead()[name]:,}, {counts[name]} vacuums" for name in HOT)
    row = (f"{end.executions:,}", f"{end.executions / seconds:.0f}", f"{wal:,.0f}", f"{kept:,.0f}", *dead)
    print("| | " + " | ".join(row) + " |")
    assert (end.lost, end.doubled, end.stuck, end.uncertain) == ([], [], [], 0)
    assert end.executions == len(scene.jobs)
    assert wal < MOST_WAL
    assert kept < MOST_KEPT
    assert max(gauge.peak.values()) < MOST_DEAD
    if LONG:
        assert counts["automation_execution_logs"] > 0
    database.connection.close()
