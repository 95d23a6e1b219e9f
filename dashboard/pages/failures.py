"""Failures in groups that have one cause, and uncertain sends."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.search import as_filter
from minutehand.store import Json

#: How far back the page may search.
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

#: What to do about failures with this code.
HINTS = {
    "no_recipient": "The row or its client has no address. Fill it in, then retry.",
    "not_configured": "A setting of the processor is missing. Set it, restart the processor, then retry.",
    "bad_workflow": "The workflow's steps cannot be read. Run lint, save the workflow again, then retry.",
    "bad_template": "A template of the workflow is not valid. Run lint, fix it, then retry.",
    "unresolved_variable": "A template uses an empty field. Fill it in or fix the template, then retry.",
    "poisoned": "Three processors were lost while they ran it. Read their logs of that time before you retry.",
    "uncertain_send": "The message may or may not have arrived. Ask the provider or the receiver, then mark it.",
    "partial": "Some steps succeeded and one failed. A retry runs only the step that failed.",
    "refused": "The receiver rejected it; see its answer.",
    "unreachable": "The receiver did not answer. Check that it is up, then retry.",
    "simulated": "The function only simulated the send. Set its provider's keys.",
    "internal_error": "A bug of the executor. Its log has the trace, under the execution's id.",
    "timeout": "The receiver took too long. Check whether it is overloaded, then retry spread over some time.",
}


async def failures(request: PageRequest) -> Page:
    """Show the failures, the largest group first, and the uncertain sends."""
    span = request.param("span", "24h")
    terms: dict[str, object] = {"since": SPANS.get(span, SPANS["24h"])}
    if workflow := request.param("workflow"):
        terms["workflow"] = workflow
    result: Json = await request.query(
        ("failures", span, workflow),
        lambda: request.store.failures(request.own_filter(as_filter(terms, request.now)), limit=100),
    )
    uncertain: Json = await request.query(
        "uncertain",
        lambda: request.store.search(request.own_filter({"status": "failed", "code": "uncertain_send"}), limit=50),
    )
    for group in result["groups"]:
        group["hint"] = HINTS.get(group["code"], "")
        params = {
            "workflow": group["workflow_id"] or "",
            "code": group["code"],
            "message": group["message"],
            "span": span,
        }
        group["retry"] = f"/failures/retry?{urlencode(params)}"
    return Page(
        "failures.html",
        {
            "groups": [group for group in result["groups"] if group["code"] != "uncertain_send"],
            "complete": result["complete"],
            "looked_at": result["looked_at"],
            "span": span if span in SPANS else "24h",
            "spans": list(SPANS),
            "uncertain": uncertain["rows"],
        },
    )
