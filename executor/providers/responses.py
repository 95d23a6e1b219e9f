"""What an HTTP provider's response means for the message: rules that all providers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from minutehand.executor.http.response import HttpResponse, retry_after_seconds
from minutehand.executor.outcome import Send, StepResult
from minutehand.executor.text.unicode_checks import storable

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun

__all__ = ["ProviderError", "accepted", "failure", "missing_id", "post", "short_text"]

#: Our codes of temporary refusals; all others are permanent.
_FOR_NOW = frozenset({"busy", "quota_exceeded"})
#: Statuses of a temporary refusal that does not ask to slow down: a timeout, a request that is under way already.
_NOT_OUR_PACE = frozenset({408, 409, 425})
#: Our code for a status, when the provider's own code is not known.
_REFUSALS = {401: "not_configured", 402: "no_credits", 403: "not_configured", 408: "busy", 425: "busy", 429: "busy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderError:
    """A provider's error: its code and its message."""

    code: str = ""
    message: str = ""


async def post(
    run: StepRun, url: str, *, headers: Mapping[str, str], body: bytes, judge: Callable[[HttpResponse], StepResult]
) -> StepResult:
    """POST to a provider, whose address is trusted, and judge its response.  Errors: `HttpError`."""
    return judge(await run.http.request("POST", url, headers=headers, body=body, trusted=True))


def failure(
    provider: str, response: HttpResponse, error: ProviderError, codes: Mapping[str, str], *, secret: str = ""
) -> StepResult:
    """Return how the step ended when the provider did not accept the message.  `codes`: the provider's code -> ours.

    A 5xx is never a certain refusal, whatever its code, except a 503 with `Retry-After`.
    """
    message = error.message.replace(secret, "***") if secret else error.message
    quoted = " ".join(filter(None, (error.code, message))) or "no reason"
    details: dict[str, Any] = {"status": response.status}
    details |= {"provider_code": error.code} if error.code else {}
    details |= {"provider_message": message} if message else {}
    wait = retry_after_seconds(response.headers, datetime.now(UTC))
    if response.status >= 500 and not (response.status == 503 and wait is not None):
        return StepResult.unknown(f"{provider} answered {response.status} ({quoted}); it may have sent it", **details)
    if 300 <= response.status < 400:
        return StepResult.permanent("redirect", f"{provider}: redirects are not followed: use the final URL")
    code = "busy" if response.status >= 500 else codes.get(error.code) or _REFUSALS.get(response.status, "refused")
    if code in _FOR_NOW:
        reason = f"{provider} temporarily refused ({response.status}): {quoted}"
        if response.status in _NOT_OUR_PACE:
            return StepResult.retry(code, reason, retry_after_seconds=wait, **details)
        return StepResult.deferred(code, reason, retry_after_seconds=wait, slow_down=True, **details)
    ended = StepResult.skipped if code == "opted_out" else StepResult.permanent
    return ended(code, f"{provider} refused ({response.status}): {quoted}", **details)


def accepted(provider: str, response: HttpResponse, send: Send, status: str = "") -> StepResult:
    """Return how the step ended when the provider accepted the message; `status` is its own word, such as `queued`.

    Accepted is not delivered: the provider may still fail, and says so on its own pages alone.
    """
    return StepResult.done(
        send=send, status=response.status, delivery=", ".join(filter(None, (f"handed to {provider}", status)))
    )


def missing_id(provider: str, response: HttpResponse) -> StepResult:
    """Return how the step ended when a success has no message id: cut off, not JSON, or not from the provider."""
    what = "an answer that was cut off or too long" if response.truncated else "no message id"
    return StepResult.unknown(f"{provider} answered {response.status} with {what}; it may have sent it")


def short_text(value: object, limit: int = 300) -> str:
    """Return a text of a response on one line and cut to `limit`; an empty text for other types.

    >>> short_text(21610), short_text(" two\\nlines "), short_text(None), short_text({"a": 1})
    ('21610', 'two lines', '', '')
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return storable(" ".join(str(value).split()))[:limit]
