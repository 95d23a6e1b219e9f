"""What an HTTP provider's answer means for the message: the rules that all providers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from minutehand.executor.http.client import HttpError
from minutehand.executor.http.remote_response import read_answer
from minutehand.executor.http.response import Reply, retry_after_seconds, storable
from minutehand.executor.outcome import StepResult

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun

__all__ = ["Said", "ask", "no_id", "read_answer", "refusal", "text_of"]

#: Our codes that refuse for now; all others are for good.
_FOR_NOW = frozenset({"busy", "quota_exceeded"})
#: How long a used-up quota of a day is waited for when the provider does not say: with five attempts, a day.
_QUOTA_WAIT_SECONDS = 6 * 3600.0
#: What a status means when the provider's own code says nothing.
_REFUSALS = {401: "not_configured", 402: "no_credits", 403: "not_configured", 408: "busy", 425: "busy", 429: "busy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A provider's own code and words for what went wrong."""

    code: str = ""
    words: str = ""


async def ask(
    run: StepRun, url: str, *, headers: Mapping[str, str], body: bytes, judge: Callable[[Reply], StepResult]
) -> StepResult:
    """POST to a provider, whose address is the operator's, and judge its answer."""
    try:
        reply = await run.http.request("POST", url, headers=headers, body=body, trusted=True)
    except HttpError as error:
        return error.as_result()
    return judge(reply)


def refusal(provider: str, reply: Reply, said: Said, codes: Mapping[str, str], *, secret: str = "") -> StepResult:
    """Say how the step ends that got no yes.  `codes`: from the provider's codes to ours.

    A 5xx is never a clear no, whatever code it carries, but for a 503 that says when to come back.
    """
    words = said.words.replace(secret, "***") if secret else said.words
    quoted = " ".join(filter(None, (said.code, words))) or "no reason"
    shown: dict[str, Any] = {"status": reply.status}
    shown |= {"provider_code": said.code} if said.code else {}
    shown |= {"provider_message": words} if words else {}
    wait = retry_after_seconds(reply.headers, datetime.now(UTC))
    if reply.status >= 500 and not (reply.status == 503 and wait is not None):
        return StepResult.unknown(f"{provider} answered {reply.status} ({quoted}); it may have sent it", **shown)
    if 300 <= reply.status < 400:
        return StepResult.permanent("redirect", f"{provider}: redirects are not followed, put its final address")
    code = "busy" if reply.status >= 500 else codes.get(said.code) or _REFUSALS.get(reply.status, "refused")
    if code in _FOR_NOW:
        if code == "quota_exceeded" and wait is None:
            wait = _QUOTA_WAIT_SECONDS
        reason = f"{provider} refused for now ({reply.status}): {quoted}"
        return StepResult.retry(code, reason, retry_after_seconds=wait, **shown)
    return StepResult.permanent(code, f"{provider} refused ({reply.status}): {quoted}", **shown)


def no_id(provider: str, reply: Reply) -> StepResult:
    """Say how the step ends when a yes carries no message id: cut off, no JSON, or from somebody else."""
    what = "an answer that was cut off or too long" if reply.truncated else "no message id"
    return StepResult.unknown(f"{provider} answered {reply.status} with {what}; it may have sent it")


def text_of(value: object, most: int = 300) -> str:
    """A word or a sentence of an answer, on one line and bounded; of anything else nothing.

    >>> text_of(21610), text_of(" two\\nlines "), text_of(None), text_of({"a": 1})
    ('21610', 'two lines', '', '')
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return storable(" ".join(str(value).split()))[:most]
