"""How a step ended, and how an execution ended: the executor's whole vocabulary (R7, R13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minutehand.store import Execution


class Verdict(StrEnum):
    """What is known about the work a step asked for."""

    DONE = "done"
    """It was done."""
    RETRY = "retry"
    """It was surely not done; the same may work later."""
    PERMANENT = "permanent"
    """It was surely not done, and repeating it changes nothing."""
    UNKNOWN = "unknown"
    """The request left; whether it was done cannot be known from here."""
    LATER = "later"
    """Nothing left: the step begins again after `wait_seconds`, and no attempt is spent."""


class OnUncertain(StrEnum):
    """What becomes of a send whose fate is unknown (R13)."""

    RESEND = "resend"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One message to one recipient, as `communication_logs` keeps it."""

    channel: str
    recipient: str
    #: Who the receiver sees it come from: an address, or the name of the client that called.
    sender: str
    key: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step ended.

    `result` is what the step's record shows (small, JSON, no secrets).  `code` is a stable word and `reason` is words
    for a person; both are empty when the verdict is DONE.  `retry_after_seconds` is the receiver's own wish and wins
    over the backoff.  `wait_seconds`: what follows goes on no earlier (of LATER: the step itself).
    """

    verdict: Verdict
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""
    retry_after_seconds: float | None = None
    wait_seconds: float | None = None
    send: Send | None = None
    #: What becomes of an UNKNOWN; None: what the step's channel says.
    on_uncertain: OnUncertain | None = None

    @classmethod
    def done(cls, *, send: Send | None = None, **result: Any) -> StepResult:
        """The step did what it says; `result` is shown in its record."""
        return cls(verdict=Verdict.DONE, result=result, send=send)

    @classmethod
    def permanent(cls, code: str, reason: str, **result: Any) -> StepResult:
        """Surely not done, and repeating it changes nothing."""
        return cls(verdict=Verdict.PERMANENT, code=code, reason=reason, result=result)

    @classmethod
    def retry(cls, code: str, reason: str, *, retry_after_seconds: float | None = None, **result: Any) -> StepResult:
        """Surely not done; the same may work later."""
        return cls(
            verdict=Verdict.RETRY, code=code, reason=reason, retry_after_seconds=retry_after_seconds, result=result
        )

    @classmethod
    def unknown(cls, reason: str, *, on_uncertain: OnUncertain | None = None, **result: Any) -> StepResult:
        """The request left; whether it was done cannot be known from here."""
        return cls(
            verdict=Verdict.UNKNOWN, code="uncertain_send", reason=reason, on_uncertain=on_uncertain, result=result
        )

    @classmethod
    def later(cls, seconds: float, code: str, reason: str) -> StepResult:
        """Nothing left; the step begins again after so many seconds."""
        return cls(verdict=Verdict.LATER, code=code, reason=reason, wait_seconds=seconds)


class Ended(StrEnum):
    """How an execution's turn ended; what follows from it is decided in SQL (automation_settle)."""

    DONE = "done"
    """Nothing is left to run."""
    FAILED = "failed"
    """It cannot run at all."""
    SKIPPED = "skipped"
    """It must not run."""
    RETRY = "retry"
    """A step was surely not done."""
    UNKNOWN = "unknown"
    """A step's send left, and its fate is unknown."""
    RELEASED = "released"
    """It did not get its turn after all."""
    WAITING = "waiting"
    """It goes on at a later time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one execution's turn ended.

    `earlier` are the records of finished steps that did not travel with an earlier call; `steps` is the record of the
    step that ended the turn.
    """

    execution_id: str
    token: str
    ended: Ended
    steps: tuple[dict[str, Any], ...] = ()
    earlier: tuple[dict[str, Any], ...] = ()
    code: str | None = None
    reason: str | None = None
    #: Steps follow the one that failed, and may run without it.
    more: bool = False
    retry_after_seconds: float | None = None
    resume_step: str | None = None
    on_uncertain: OnUncertain | None = None
    due_in_seconds: float | None = None
    #: How the last send ended, for `communication_logs`; what an earlier call took is not said again.
    confirm: dict[str, Any] | None = None

    @classmethod
    def of(cls, execution: Execution, ended: Ended, **details: Any) -> Outcome:
        """Say how this execution ended; `details` are the other fields."""
        return cls(execution_id=execution.id, token=execution.lease.token, ended=ended, **details)

    def as_json(self) -> dict[str, Any]:
        """Return the shape that `automation_settle` takes; what is not said is left out."""
        said: dict[str, Any] = {"id": self.execution_id, "token": self.token, "ended": self.ended.value}
        for name in ("steps", "earlier"):
            if value := getattr(self, name):
                said[name] = list(value)
        for name in (
            "code",
            "reason",
            "retry_after_seconds",
            "resume_step",
            "on_uncertain",
            "due_in_seconds",
            "confirm",
        ):
            if (value := getattr(self, name)) is not None:
                said[name] = value
        if self.more:
            said["more"] = True
        return said
