"""One execution's turn in this process: what was done and is not told yet, and what the last look at the row showed.

What a step did is told with the call that the next step needs anyhow: confirming a send, recording its step, looking at
the row and reserving the next send are one call (`automation_advance`).  The last travels with the settle.
"""

from __future__ import annotations

from typing import Any

from minutehand.executor.outcome import Ended, Outcome
from minutehand.store import Context, Execution, Json, LeaseLost, Reservation
from minutehand.store.batch import Batch

#: How often a step begins anew because its row changed between filling in the templates and the last look.
MAX_RESTARTS = 3


class ExecutionPaused(Exception):
    """Somebody paused the workflow, its tenant or everything, meanwhile: the step keeps its turn for later."""


class RowChanged(Exception):
    """The row changed since the templates were filled in: the step begins anew, nothing has left."""


class ExecutionStopped(Exception):
    """The look says that the execution must not go on; `stop` is why."""

    def __init__(self, stop: Json) -> None:
        super().__init__(stop["reason"])
        self.stop = stop


class Attempt:
    """From the claim to the settle of one execution."""

    def __init__(self, execution: Execution, advances: Batch[Json, Context]) -> None:
        self.execution = execution
        self._advances = advances
        self.context = Context(id=execution.id, held=True, stop=None, type=None, row=None, old=None, links={})
        #: The look from which the step under way has filled in its templates.
        self._rendered: Context | None = None
        #: Nothing was done since the last look.
        self.is_fresh = False
        #: Whether there was a look at all, and one within the step under way.
        self.has_looked = self.looked = False
        #: How the last send ended, and the steps that ended: not told yet.
        self.confirm: Json | None = None
        self._records: list[Json] = []
        self._place: Json | None = None
        self._reservation: Reservation | None = None
        self._restarts = 0
        self.recorded: dict[str, Json] = dict(execution.recorded)

    @property
    def reservation(self) -> Reservation:
        """The answer to the place that `reserve` asked for last."""
        assert self._reservation is not None, "nothing was reserved"
        return self._reservation

    def begin(self) -> None:
        """Begin a step."""
        self.looked = False
        self._restarts = 0
        self._rendered = self._place = self._reservation = None

    def render(self) -> Context:
        """Return the last look, for the templates of the step under way."""
        self._rendered = self.context
        return self.context

    def mark_effect(self) -> None:
        """Note that something is done now, on a fresh look: what was seen may be old after it, and a place is used.

        The step does not begin anew any more, whatever its receiver does to the row.
        """
        self.is_fresh, self.looked = False, True
        self._rendered = self._place = self._reservation = None

    def add(self, record: Json) -> None:
        """Note a finished step; the next call tells it."""
        self._give_back()
        self._records.append(record)
        self.recorded[str(record["stepId"])] = record

    async def refresh(self, step: str) -> None:
        """Tell what was done, and look anew before `step`.

        Errors: `LeaseLost`, `ExecutionStopped`, `RowChanged` when a step has rendered its templates from an older look.
        """
        await self._advance(step, None)

    async def flush(self, step: str) -> None:
        """Tell what was done, if anything was."""
        if self.confirm or self._records:
            rendered, self._rendered = self._rendered, None
            await self._advance(step, None)
            self._rendered = rendered

    async def reserve(self, step: str, place: Json) -> None:
        """Refresh, and reserve the next send; the answer is `reservation`.  An equal reservation is kept."""
        if self._place == place and self._reservation is not None and self.is_fresh:
            return
        if self._place != place:
            self._give_back()
        await self._advance(step, place)

    def _give_back(self) -> None:
        """Say that nothing left on a place that was taken, since the row changed before it could."""
        if self._reservation is not None and self._reservation.answer == "go":
            error = "the row changed before it left"
            self.confirm = {"key": self._reservation.key, "status": "failed", "error": error}
        self._place = self._reservation = None

    async def _advance(self, step: str, place: Json | None) -> None:
        self.execution.check_lease()
        ask: Json = {"id": self.execution.id, "token": self.execution.lease.token}
        if self.confirm:
            ask["confirm"] = self.confirm
        if self._records:
            ask |= {"steps": self._records, "resume_step": step}
        if place is not None:
            ask["reserve"] = place
        self.context = await self._advances.ask(ask)
        self.confirm, self._records = None, []
        self.is_fresh = self.looked = self.has_looked = True
        if not self.context.held:
            raise LeaseLost(self.execution.id)
        if self.context.stop is not None:
            raise ExecutionStopped(self.context.stop)
        if place is not None:
            self._place, self._reservation = place, self.context.send
        if self._rendered is not None and _is_other(self._rendered, self.context) and self._restarts < MAX_RESTARTS:
            self._restarts += 1
            raise RowChanged

    def outcome(self, ended: Ended, **said: Any) -> Outcome:
        """Say how the turn ended, with what was not told yet."""
        self._give_back()
        return Outcome.of(self.execution, ended, earlier=tuple(self._records), confirm=self.confirm, **said)


def _is_other(seen: Context, now: Context) -> bool:
    return (seen.type, seen.row, seen.old, seen.links) != (now.type, now.row, now.old, now.links)
