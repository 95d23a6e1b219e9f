"""One attempt: one execution in this process, from its claim to its settle.

Every effect (a send, a write to the app's tables) happens on a fresh view: the row, pauses, stops, opt-outs and limits
are read right before it.  What a step did is recorded with the call that the next step needs anyway
(`automation_advance`): one call confirms a send, records steps, reads the row and reserves the next send.  What is left
travels with the settle.

The view is in one of five states:

    NEW ──refresh──▶ FRESH ──before_effect──▶ USED
                     ▲   │                      │
             refresh │   │ the step ends        │ the step ends
                     │   ▼                      │
                     STALE ◀────────────────────┘

    NEW      nothing was read yet
    CLAIMED  read by the claim, less than a second ago: a step may begin, and an effect refreshes first
    FRESH    read, and nothing was done since: an effect may follow at once
    USED     the step under way had an effect, so the row may have changed
    STALE    a step ended since it was read; only a condition, a wait or a stop leaves the view as it was
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

from minutehand.executor.outcome import Ended, Outcome, StepResult
from minutehand.store import Context, Execution, Json, LeaseLost, Reservation
from minutehand.store.batch import Batch

#: How often a step is run again because its row changed between rendering its templates and its effect.
MAX_RESTARTS = 3


class ExecutionPaused(Exception):
    """Somebody paused the workflow, its tenant or everything since the claim; the step runs later."""


class RowChanged(Exception):
    """The row changed since the step rendered its templates: the step runs again, nothing has left."""


class ExecutionStopped(Exception):
    """The execution must not go on; `stop` is `{"ended", "code", "reason"}`."""

    def __init__(self, stop: Json) -> None:
        super().__init__(stop["reason"])
        self.stop = stop


def stop_details(stop: Json) -> dict[str, Any]:
    """Return what an outcome says of a stop, `{"ended", "code", "reason"}` (`Context.stop`)."""
    return {"ended": Ended(stop["ended"]), "code": stop["code"], "reason": stop["reason"]}


class View(Enum):
    """How current `Attempt.context` is: see the module's drawing."""

    NEW = auto()
    CLAIMED = auto()
    FRESH = auto()
    USED = auto()
    STALE = auto()


class Attempt:
    """What one attempt knows: the last view of the row, and what it did that is not recorded yet."""

    def __init__(self, execution: Execution, advances: Batch[Json, Context]) -> None:
        self.execution = execution
        #: The records of all ended steps, by step key.
        self.recorded: dict[str, Json] = dict(execution.recorded)
        self.context = Context(id=execution.id, held=True, stop=None, type=None, row=None, old=None, links={})
        self._advances = advances
        self._view = View.NEW
        #: Key of the step under way.
        self._step = ""
        #: The view from which the step under way rendered its templates; None: it is not run again if the row changes.
        self._rendered_from: Context | None = None
        #: The request of a reservation that is not used yet, and its answer.
        self._reserved: tuple[Json, Reservation] | None = None
        #: How the last send ended, and the records of ended steps: not recorded yet.
        self._confirmation: Json | None = None
        self._pace: Json | None = None
        self._records: list[Json] = []

    async def run_step(
        self,
        key: str,
        run_once: Callable[[Context], Awaitable[StepResult]],
        *,
        has_effect: bool = True,
        reserves: bool = False,
    ) -> StepResult:
        """Run one step on a current view, and again while its row changes before it has an effect.

        `has_effect`: the next step needs a refresh.  `reserves`: the step begins with a reservation, which refreshes.
        Errors: `ExecutionStopped`, `ExecutionPaused`, `LeaseLost`, `StoreError`.
        """
        self._step, self._rendered_from = key, None
        if self._view in (View.NEW, View.CLAIMED):
            first = self.execution.first_context()
            self.context, self._view = (self.context, View.NEW) if first is None else (first, View.CLAIMED)
        if self._view is View.NEW or (self._view is View.STALE and not reserves):
            await self._advance()
        restarts = 0
        while True:
            self._rendered_from = self.context if restarts < MAX_RESTARTS else None
            try:
                result = await run_once(self.context)
                if self._view is View.STALE:  # the step ended on an older view: does that still hold?
                    await self._advance()
                break
            except RowChanged:
                restarts += 1
        if has_effect or self._view is View.USED:
            self._view = View.STALE
        return result

    async def before_effect(self, request: Json | None = None) -> Reservation | None:
        """Refresh unless the view is fresh, reserve if there is a request, and note that an effect follows.

        Returns the reservation's answer; unless that is `go`, no effect may follow.  An equal reservation that is not
        used yet is used.  From here on the step is not run again, whatever the effect does to the row.
        Errors: `RowChanged`, and those of `run_step`.
        """
        reservation = None
        if request is not None:
            reservation = await self._reserve(request)
            if reservation.answer != "go":
                return reservation
        elif self._view is not View.FRESH:
            await self._advance()
        self.execution.check_lease()
        self._view = View.USED
        self._rendered_from = self._reserved = None
        return reservation

    def confirm(self, confirmation: Json) -> None:
        """Note how the last send ended; the next call records it."""
        self._confirmation = confirmation

    def note_pace(self, note: Json) -> None:
        """Note how a send to a receiver ended that asks, or asked, to slow down; the next call records it."""
        self._pace = note

    def add_record(self, record: Json) -> None:
        """Note the record of an ended step; the next call records it."""
        self._give_back()
        self._records.append(record)
        self.recorded[str(record["stepId"])] = record

    async def flush(self) -> None:
        """Record what was done, if anything was.  The step under way goes on with its own view."""
        if self._confirmation or self._records:
            rendered_from, self._rendered_from = self._rendered_from, None
            await self._advance()
            self._rendered_from = rendered_from

    def outcome(self, ended: Ended, **details: Any) -> Outcome:
        """Say how the attempt ended, with what is not recorded yet."""
        self._give_back()
        unrecorded: Json = {"earlier": tuple(self._records), "confirm": self._confirmation, "pace": self._pace}
        return Outcome.of(self.execution, ended, **unrecorded, **details)

    async def _reserve(self, request: Json) -> Reservation:
        if self._reserved is not None and self._reserved[0] != request:
            self._give_back()
        if self._reserved is None or self._view is not View.FRESH:
            await self._advance(request)
        assert self._reserved is not None, "the answer has a reservation"
        return self._reserved[1]

    def _give_back(self) -> None:
        """Confirm that nothing left under a reservation: the row changed before it could."""
        if self._reserved is not None and self._reserved[1].answer == "go":
            error = "the row changed before it left"
            self._confirmation = {"key": self._reserved[1].key, "status": "failed", "error": error}
        self._reserved = None

    async def _advance(self, request: Json | None = None) -> None:
        """Record what was done, refresh the view, and reserve a send if there is a request."""
        self.execution.check_lease()
        item: Json = {"id": self.execution.id, "token": self.execution.lease.token}
        if self._confirmation:
            item["confirm"] = self._confirmation
        if self._pace:
            item["pace"] = self._pace
        if self._records:
            item |= {"steps": self._records, "resume_step": self._step}
        if request is not None:
            item["reserve"] = request
        self.context = await self._advances.ask(item)
        self._confirmation, self._pace, self._records = None, None, []
        self._view = View.FRESH
        if not self.context.held:
            raise LeaseLost(self.execution.id)
        if self.context.stop is not None:
            raise ExecutionStopped(self.context.stop)
        if request is not None and self.context.send is not None:
            self._reserved = (request, self.context.send)
        if self._rendered_from is not None and _differs(self._rendered_from, self.context):
            raise RowChanged


def _differs(seen: Context, now: Context) -> bool:
    return (seen.type, seen.row, seen.old, seen.links) != (now.type, now.row, now.old, now.links)
