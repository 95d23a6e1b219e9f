"""`function`: call one of the app's edge functions, of those that the operator named (MINUTEHAND_FUNCTIONS).

The call carries the project's key, as the platform's own clients do.  An uncertain call is made again under the same
idempotency key.  The function passes `x-minutehand-cause` on when it writes rows, so that chains end (R11).
"""

from __future__ import annotations

import re
from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun, pace_of
from minutehand.executor.http.client import USER_AGENT
from minutehand.executor.http.outgoing import identity_headers, step_body
from minutehand.executor.http.response import HttpResponse
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.text.unicode_checks import storable

#: A function's name: nothing that changes the path of a URL.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
#: Characters of a function's error message that are kept.
_MAX_MESSAGE = 300


class FunctionAction:
    """Make one call; 2xx is done, unless the body has `"success": false`."""

    keys = ("name", "body")

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without the plain name of a function."""
        name = config.get("name")
        if not isinstance(name, str) or not name.strip():
            raise BadStep("`name` is missing: give the edge function's name")
        if not _NAME.fullmatch(name):
            raise BadStep("`name` must be a function's name: letters, digits, hyphens and underscores, no template")

    async def run(self, run: StepRun) -> StepResult:
        """Call the function once and judge its response."""
        self.check(run.step.config)
        settings, name = run.settings, str(run.step.config["name"])
        if name not in settings.functions:
            return StepResult.permanent(
                "not_allowed",
                f"workflows may not call the function {name}; an operator adds it to MINUTEHAND_FUNCTIONS",
            )
        if not settings.functions_url:
            return StepResult.permanent(
                "not_configured", "where the functions are is not set: SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"
            )
        url = f"{settings.functions_url.rstrip('/')}/{name}"
        body = step_body(run)
        headers = {"content-type": body.content_type, **settings.functions_headers}

        async def deliver(key: str) -> StepResult:
            called = headers | identity_headers(key, run.execution_id)
            # The operator's address: it may be private.
            response = await run.http.request("POST", url, headers=called, body=body.data, trusted=True)
            if failure := response.as_failure(run.now) or _reported_failure(name, response):
                return failure
            send = Send(channel="function", recipient=name, sender=USER_AGENT, key=key)
            return StepResult.done(send=send, status=response.status, response=response.excerpt)

        pace = pace_of("function", f"the function {name}", url, shared=False)
        message = Message(channel="function", recipient=name, sender=USER_AGENT, content=body.shown, pace=pace)
        return await run.send(message, deliver, reserve=False, on_uncertain=OnUncertain.RESEND)


def _reported_failure(name: str, response: HttpResponse) -> StepResult | None:
    """Return how the step ended if a 2xx response reports a failure, else None."""
    answer = response.json_object()
    if answer is None or answer.get("success") is not False:
        return None
    message = storable(str(answer.get("error") or answer.get("message") or "no reason given"))[:_MAX_MESSAGE]
    reason = f"the function {name} reports a failure: {message}"
    return StepResult.permanent("refused", reason, status=response.status, response=response.excerpt)
