"""What failed, in groups that are mended together; and sends whose fate nobody knows."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.search import as_filter
from minutehand.store import Json

#: How far back the page may look.
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

#: What mends a failure of each kind, in a sentence.
HINTS = {
    "no_recipient": "The row or its client has no address. Fill it in, then retry.",
    "not_configured": "A setting of the processor is missing. Set it, restart the processor, then retry.",
    "bad_workflow": "The workflow's steps cannot be read. Lint it, save it anew, then retry.",
    "bad_template": "A template of the workflow is none. Lint it, mend it, then retry.",
    "unresolved_variable": "A template names what the row has not. Mend the template, or fill in the row.",
    "poisoned": "Three processors died with it. Look into their logs at that time before it runs again.",
    "uncertain_send": "Nobody knows whether it arrived. Ask the provider or the receiver, then say what was found out.",
    "partial": "Some steps worked, one did not. A retry runs only what failed.",
    "refused": "The receiver refuses it. Its answer stands with the step.",
    "unreachable": "Nobody answered. Look whether the receiver is up, then retry.",
    "simulated": "The function only pretended to send. Give it its provider's keys.",
    "internal_error": "A bug of the executor. Its log has the trace, under the execution's id.",
    "timeout": "The receiver took too long. Look whether it is overloaded, then retry over some time.",
}


async def failures(request: PageRequest) -> Page:
    """Show what failed, the largest group first, and the uncertain sends."""
    span = request.param("span", "24h")
    since = SPANS.get(span, SPANS["24h"])
    asked: dict[str, object] = {"since": since}
    if workflow := request.param("workflow"):
        asked["workflow"] = workflow
    found: Json = await request.query(
        ("failures", span, workflow),
        lambda: request.store.failures(request.own_filter(as_filter(asked, request.now)), limit=100),
    )
    uncertain: Json = await request.query(
        "uncertain",
        lambda: request.store.search(request.own_filter({"status": "failed", "code": "uncertain_send"}), limit=50),
    )
    for group in found["groups"]:
        group["hint"] = HINTS.get(group["code"], "")
        said = {
            "workflow": group["workflow_id"] or "",
            "code": group["code"],
            "message": group["message"],
            "span": span,
        }
        group["retry"] = f"/failures/retry?{urlencode(said)}"
    return Page(
        "failures.html",
        {
            "groups": [group for group in found["groups"] if group["code"] != "uncertain_send"],
            "complete": found["complete"],
            "looked_at": found["looked_at"],
            "span": span if span in SPANS else "24h",
            "spans": list(SPANS),
            "uncertain": uncertain["rows"],
        },
    )
