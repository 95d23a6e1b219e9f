"""What one run did: the object that `run-once -o json` prints (docs/json-output.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from minutehand.executor.outcome import Ended, Outcome
from minutehand.executor.text.backlog import ticks_needed
from minutehand.store import Execution, Json, Settled, Tick

if TYPE_CHECKING:
    from minutehand.scheduler.database import Database
    from minutehand.store.records import ExecutionRow

#: Executions that a summary lists; all are counted.
MOST_LISTED = 1000

ENDS = ("completed", "failed", "skipped", "cancelled", "retried", "waiting", "released", "lost", "uncertain")


@dataclass(slots=True, kw_only=True)
class Summary:
    """Counts of one run.

    `claimed` is the sum of `ends`.  `due` is still due; `is_due_capped`: at least that many.  `held` was stale and not
    claimed; `restored` is held because it was due before a restore; `flooded` is held because of a flood.
    `stopped`: why nothing runs on this database; `notice`: what else to say about it (`executor/text/copies.py`).
    `backlog`: how long ticks need for what is due; empty if one runs it
    (`executor/text/backlog.py`).
    """

    claimed: int = 0
    ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENDS, 0))
    due: int = 0
    is_due_capped: bool = False
    backlog: str = ""
    held: int = 0
    restored: int = 0
    flooded: int = 0
    stopped: str | None = None
    notice: str | None = None
    seconds: float = 0.0
    executions: list[Json] = field(default_factory=list)

    def note_backlog(self, tick: Tick) -> None:
        """Say what the executions that are still due, and those that are held, mean, by what the tick read."""
        self.restored = tick.restored
        self.flooded = tick.flooded
        self.is_due_capped = tick.due_capped and self.due > 0
        self.backlog = ticks_needed(self.due, tick.pace, capped=self.is_due_capped)

    def add_settled(self, execution: Execution, outcome: Outcome, settled: Settled) -> None:
        """Count an outcome, by how the database settled it."""
        self._count(end_of(outcome, settled))
        if len(self.executions) < MOST_LISTED:
            self.executions.append(
                {
                    "id": execution.id,
                    "workflow_id": execution.workflow.id,
                    "workflow": execution.workflow.name,
                    "entity_id": execution.entity_id,
                    "status": settled.status,
                    "attempt": execution.attempt,
                    "code": settled.code,
                    "reason": settled.reason,
                }
            )

    def add_lost(self, execution: Execution, reason: str) -> None:
        """Count an execution whose lease was lost, or whose outcome could not be recorded."""
        lost = Settled(
            id=execution.id, answer="lost", status="processing", code="lost_lease", reason=reason, due_seconds=None
        )
        self.add_settled(execution, Outcome(execution_id=execution.id, token="", ended=Ended.RELEASED), lost)

    def add_ended(self, row: ExecutionRow) -> None:
        """Count an execution that the claim itself ended."""
        self._count(row["status"])
        if len(self.executions) < MOST_LISTED:
            self.executions.append({"workflow": None, **row})

    def failed_as(self, word: str) -> bool:
        """Return whether this run failed by `--fail-on`: `never`, `dead` or `any`."""
        dead = self.ends["failed"] + self.ends["uncertain"]
        return {"never": False, "dead": dead > 0, "any": dead + self.ends["retried"] + self.ends["lost"] > 0}[word]

    def as_json(self, database: Database) -> Json:
        """Return what `run-once -o json` prints (docs/json-output.md)."""
        return {
            "schema": 1,
            "backend": database.store.backend,
            "database": database.name,
            "claimed": self.claimed,
            **self.ends,
            "due": self.due,
            "held": self.held,
            "restored": self.restored,
            "flooded": self.flooded,
            "notice": self.notice,
            "seconds": round(self.seconds, 3),
            "executions": self.executions,
        }

    def _count(self, end: str) -> None:
        self.claimed += 1
        self.ends[end] += 1


def end_of(outcome: Outcome, settled: Settled) -> str:
    """Return the count that an outcome belongs to."""
    if settled.answer == "lost":
        return "lost"
    if settled.status == "pending":
        ends = {Ended.WAITING: "waiting", Ended.DEFERRED: "waiting", Ended.RELEASED: "released"}
        return ends.get(outcome.ended, "retried")
    if settled.code == "uncertain_send":
        return "uncertain"
    return settled.status or "failed"
