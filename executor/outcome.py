"""How a step ended, and how an attempt ended (R7, R13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minutehand.store import Execution
    from minutehand.store.errors import StoreError


class Verdict(StrEnum):
    """What is known about the work that a step asked for."""

    DONE = "done"
    """It was done."""
    RETRY = "retry"
    """It was certainly not done; a retry may succeed."""
    PERMANENT = "permanent"
    """It was certainly not done, and a retry would fail too."""
    SKIPPED = "skipped"
    """It was not to be done: every recipient has opted out.  That is no failure."""
    UNKNOWN = "unknown"
    """The request left; whether it was done is unknown."""
    LATER = "later"
    """Nothing left; the step runs again after `wait_seconds`, which spends no attempt."""
    DEFERRED = "deferred"
    """Certainly not done, and not the step's fault: it runs again with a growing delay, which spends no attempt."""


class Again(StrEnum):
    """Why a wait's step runs again when the wait is over."""

    ROW = "row"
    """A row says how long it lasts, and may say something else by then."""
    CLOCK = "clock"
    """It may be over too late to go on."""


class OnUncertain(StrEnum):
    """What to do with a send whose result is unknown (R13)."""

    RESEND = "resend"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One message to one recipient, as `communication_logs` stores it."""

    channel: str
    recipient: str
    #: The sender that the recipient sees: an address, or the name of the HTTP client.
    sender: str
    key: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step ended.

    `result` goes into the step's record: small, JSON, no secrets.  `code` is a stable word, `reason` a text for people;
    when the verdict is DONE there is no
    code, and a reason says what was left out.  `retry_after_seconds` is what the receiver asked for; it wins over the
    backoff, and a deferral is no shorter.  `give_up_seconds`: a deferral is repeated for so long; None: for a day.
    `wait_seconds`: the next step runs no earlier; of LATER: this step; of a deferral: its exact delay.
    """

    verdict: Verdict
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""
    retry_after_seconds: float | None = None
    give_up_seconds: float | None = None
    #: Everything that goes to this receiver is to slow down, not only this message.
    slow_down: bool = False
    wait_seconds: float | None = None
    #: Of a wait: its step runs again when it is over, and sees `StepRun.waiting`; None: the next step does.
    again: Again | None = None
    #: The execution ends with this step, as `skipped`.
    ends: bool = False
    send: Send | None = None
    #: What to do when the verdict is UNKNOWN; None: the channel's default.
    on_uncertain: OnUncertain | None = None

    @classmethod
    def done(cls, *, send: Send | None = None, **result: Any) -> StepResult:
        """The step was done; `result` goes into its record."""
        return cls(verdict=Verdict.DONE, result=result, send=send)

    @classmethod
    def permanent(cls, code: str, reason: str, **result: Any) -> StepResult:
        """Certainly not done, and a retry would fail too."""
        return cls(verdict=Verdict.PERMANENT, code=code, reason=reason, result=result)

    @classmethod
    def skipped(cls, code: str, reason: str, **result: Any) -> StepResult:
        """It was not to be done, which is no failure."""
        return cls(verdict=Verdict.SKIPPED, code=code, reason=reason, result=result)

    @classmethod
    def retry(cls, code: str, reason: str, *, retry_after_seconds: float | None = None, **result: Any) -> StepResult:
        """Certainly not done; a retry may succeed."""
        return cls(
            verdict=Verdict.RETRY, code=code, reason=reason, retry_after_seconds=retry_after_seconds, result=result
        )

    @classmethod
    def unknown(cls, reason: str, *, on_uncertain: OnUncertain | None = None, **result: Any) -> StepResult:
        """The request left; whether it was done is unknown."""
        return cls(
            verdict=Verdict.UNKNOWN, code="uncertain_send", reason=reason, on_uncertain=on_uncertain, result=result
        )

    @classmethod
    def deferred(
        cls,
        code: str,
        reason: str,
        *,
        retry_after_seconds: float | None = None,
        give_up_seconds: float | None = None,
        slow_down: bool = False,
        wait_seconds: float | None = None,
        **result: Any,
    ) -> StepResult:
        """Certainly not done, and not the step's fault: it runs again, with a growing delay."""
        return cls(
            verdict=Verdict.DEFERRED,
            code=code,
            reason=reason,
            retry_after_seconds=retry_after_seconds,
            give_up_seconds=give_up_seconds,
            slow_down=slow_down,
            wait_seconds=wait_seconds,
            result=result,
        )

    @classmethod
    def not_shown(cls, name: str, why: dict[str, Any]) -> StepResult:
        """A link or value that the step uses is not shown (`Context.hidden`): deferred if that may pass."""
        code, reason = why["code"], why["reason"]
        if why.get("passing"):
            return cls.deferred(code, f"{name}: {reason}")
        return cls.permanent(code, reason)

    @classmethod
    def unwatched(cls, why: dict[str, Any]) -> StepResult:
        """The step uses a row whose table is not watched (`Context.unwatched`): it waits until somebody watches it."""
        code, reason = why["code"], why["reason"]
        return cls.deferred(code, reason)

    @classmethod
    def later(cls, seconds: float, code: str, reason: str) -> StepResult:
        """Nothing left; the step runs again after so many seconds."""
        return cls(verdict=Verdict.LATER, code=code, reason=reason, wait_seconds=seconds)


class Ended(StrEnum):
    """How an attempt ended; SQL decides what follows (automation_settle)."""

    DONE = "done"
    """No step is left to run."""
    FAILED = "failed"
    """It cannot run at all."""
    SKIPPED = "skipped"
    """It must not run."""
    RETRY = "retry"
    """A step was certainly not done."""
    UNKNOWN = "unknown"
    """A step's send left, and its result is unknown."""
    RELEASED = "released"
    """It was given back without an end, and keeps its place: this process stops, or a person paused it."""
    DEFERRED = "deferred"
    """Something is in its way that may pass; it spends no attempt."""
    WAITING = "waiting"
    """It continues later."""


def error_details(error: StoreError) -> dict[str, Any]:
    """Return what an outcome says of an error of the store."""
    return {"code": error.code, "reason": error.reason or str(error)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended.

    `earlier` are the records of ended steps that no earlier call stored; `steps` is the record of the step that ended
    the attempt.
    """

    execution_id: str
    token: str
    ended: Ended
    steps: tuple[dict[str, Any], ...] = ()
    earlier: tuple[dict[str, Any], ...] = ()
    code: str | None = None
    reason: str | None = None
    #: Steps follow the failed one, and may run without it.
    more: bool = False
    retry_after_seconds: float | None = None
    give_up_seconds: float | None = None
    resume_step: str | None = None
    on_uncertain: OnUncertain | None = None
    due_in_seconds: float | None = None
    #: How the last send ended, for `communication_logs`; None: an earlier call stored it.
    confirm: dict[str, Any] | None = None
    #: How the last send to a receiver ended that asks, or asked, to slow down; None: an earlier call stored it.
    pace: dict[str, Any] | None = None

    @classmethod
    def of(cls, execution: Execution, ended: Ended, **details: Any) -> Outcome:
        """Say how this execution ended; `details` are the other fields."""
        return cls(execution_id=execution.id, token=execution.lease.token, ended=ended, **details)

    @classmethod
    def of_error(cls, execution: Execution, error: StoreError) -> Outcome:
        """Say that the database's answer put this execution off: it comes back with a growing delay."""
        return cls.of(execution, Ended.DEFERRED, **error_details(error))

    def as_json(self) -> dict[str, Any]:
        """Return the argument of `automation_settle`; what is empty is left out."""
        item: dict[str, Any] = {"id": self.execution_id, "token": self.token, "ended": self.ended.value}
        for name in ("steps", "earlier"):
            if value := getattr(self, name):
                item[name] = list(value)
        for name in (
            "code",
            "reason",
            "retry_after_seconds",
            "give_up_seconds",
            "resume_step",
            "on_uncertain",
            "due_in_seconds",
            "confirm",
            "pace",
        ):
            if (value := getattr(self, name)) is not None:
                item[name] = value
        if self.more:
            item["more"] = True
        return item
