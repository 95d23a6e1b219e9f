"""What an HTTP response means for the step that got it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.text.unicode_checks import storable
from minutehand.store.json import loads

#: A `Retry-After` beyond a day is cut to a day.
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An HTTP response.  `body` is its first 64 KiB as sent; `truncated`: there was more, or it broke off."""

    status: int
    #: Case-insensitive.
    headers: Mapping[str, str]
    body: bytes
    truncated: bool

    @property
    def excerpt(self) -> str:
        """Return the first 500 characters of the body as text that can be stored."""
        return storable(self.body[:2000].decode("utf-8", "replace"))[:500]

    def json_object(self) -> dict[str, Any] | None:
        """Return the JSON object in the body; None when it is cut off, not JSON, or other JSON."""
        if self.truncated:
            return None
        try:
            answer = loads(self.body)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
            return None
        return answer if isinstance(answer, dict) else None

    def as_failure(self, now: datetime) -> StepResult | None:
        """Return how a step ended that got this response; `None` when the work was done."""
        if judge_response(self.status) is Verdict.DONE:
            return None
        wait = retry_after_seconds(self.headers, now)
        verdict = judge_response(self.status, retry_after=wait)
        shown: dict[str, Any] = {"status": self.status, "response": self.excerpt}
        if verdict is Verdict.UNKNOWN:
            return StepResult.unknown(f"the receiver answered {self.status}; it may have done the work", **shown)
        if verdict is Verdict.DEFERRED:
            reason = f"the receiver asked to slow down: it answered {self.status}"
            return StepResult.deferred("busy", reason, retry_after_seconds=wait, slow_down=True, **shown)
        if verdict is Verdict.RETRY:
            return StepResult.retry("busy", f"the receiver answered {self.status}", retry_after_seconds=wait, **shown)
        if 300 <= self.status < 400:
            where = f" to {target}" if (target := redirect_target(self.headers)) else ""
            reason = (
                f"the receiver answered {self.status}{where}; redirects are not followed: use the final URL."
                " It may have done its work: check there before a retry, which carries the same webhook-id"
            )
            return StepResult.permanent("redirect", reason, **shown)
        return StepResult.permanent("refused", f"the receiver refused the request with {self.status}", **shown)


def judge_response(status: int, *, retry_after: float | None = None) -> Verdict:
    """Return what an HTTP status means for the work that was asked for.

    429 asks to slow down, 408 and 425 are other temporary refusals; other 4xx and 3xx are permanent (redirects are not
    followed).  After a 5xx it is unknown whether the work was done, except a 503 with `Retry-After`: there an
    overloaded server refuses, while a plain 503 may come from a proxy whose backend failed in the middle (RFC 9110 §15;
    425: RFC 8470; 429: RFC 6585).

    >>> [judge_response(s).value for s in (200, 429, 408, 404, 302, 502, 503)]
    ['done', 'deferred', 'retry', 'permanent', 'permanent', 'unknown', 'unknown']
    >>> judge_response(503, retry_after=120).value
    'deferred'
    """
    if 200 <= status < 300:
        return Verdict.DONE
    if status == 429 or (status == 503 and retry_after is not None):
        return Verdict.DEFERRED
    if status in (408, 425):
        return Verdict.RETRY
    return Verdict.PERMANENT if 300 <= status < 500 else Verdict.UNKNOWN


def redirect_target(headers: Mapping[str, str]) -> str:
    """Return where a 3xx response leads, for people: without query, fragment and user information, and short.

    >>> redirect_target({"Location": "https://me:hush@example.com/done?key=1#x"}), redirect_target({})
    ('https://example.com/done', '')
    """
    location = next((value for name, value in headers.items() if name.lower() == "location"), "")
    try:
        parts = urlsplit(location.strip())
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    scheme = f"{parts.scheme}://" if parts.scheme and host else ""
    return storable(" ".join(f"{scheme}{host}{parts.path}".split()))[:200]


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `Retry-After` (seconds or an HTTP date, RFC 9110 §10.2.3): 0 s to 24 h, or `None` when it says nothing.

    A date is counted from the receiver's own `Date`, so that no clock has to agree with it; else from `now`.

    >>> retry_after_seconds({"Retry-After": "120"}, datetime.now(UTC))
    120.0
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    text = given.get("retry-after", "")
    if re.fullmatch("[0-9]+", text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    if (until := _http_date(text)) is None:
        return None
    seconds = until - (_http_date(given.get("date", "")) or now)
    return min(max(seconds.total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def _http_date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
