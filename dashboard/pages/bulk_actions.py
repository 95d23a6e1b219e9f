"""All that match: how many they are is said first; then it runs, is watched, and can be stopped."""

from __future__ import annotations

import json
import math
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from minutehand.dashboard.context import HEADERS, DashboardContext, Handler, Page, PageRequest, error_page
from minutehand.dashboard.pages.actions import ACTIONS, Form, form_route
from minutehand.dashboard.pages.failures import SPANS
from minutehand.dashboard.presentation.search import BadSearch, as_filter, parse_search, split_terms
from minutehand.store.errors import NotFound

#: Seconds over which something may be spread at most.
LONGEST_SPREAD = 86_400.0
#: What can be done to all, and to those of which status.
BULK_STATUSES = {"retry": ("failed", "skipped"), "cancel": ("pending", "processing")}


async def ask(request: PageRequest) -> Page:
    """Say how many a search means, and ask what is to be done to them."""
    text = " ".join(request.param("q").split())
    filters, words = meant(request)
    count = await request.store.count(request.own_filter(filters))
    status = str(filters.get("status", ""))
    actions = [
        action
        for action, statuses in BULK_STATUSES.items()
        if (not status or status in statuses) and request.user.may(action)
    ]
    return Page(
        "bulk_ask.html",
        {
            "q": text,
            "words": words,
            "count": count,
            "actions": actions,
            "filter": json.dumps(filters),
            "status": status,
        },
    )


def meant(request: PageRequest) -> tuple[dict[str, str], str]:
    """Return the filter that the address means, and its words; times in it are fixed now, so that the count holds."""
    if request.http.url.path == "/failures/retry":
        said = {"status": "failed", "message": request.param("message")}
        if code := request.param("code"):
            said["code"] = code
        if workflow := request.param("workflow"):
            said["workflow"] = workflow
        since = SPANS.get(request.param("span"), SPANS["24h"])
        words = f"failed with {code or 'no code'}: {said['message']}"
        return said | {"since": (request.now - since).isoformat(), "until": request.now.isoformat()}, words
    try:
        asked = parse_search(split_terms(request.param("q")))
    except BadSearch as error:
        raise NotFound(str(error)) from None
    return {"until": request.now.isoformat()} | as_filter(asked, request.now), request.param("q") or "all"


def begin(dashboard: DashboardContext) -> Handler:
    """Return what answers the form of `ask`."""

    async def do(form: Form) -> Response:
        action = form.values.get("action", "")
        if action not in BULK_STATUSES:
            return error_page(dashboard, None, 422, "There is no such action", action[:40])
        permission, _, run = ACTIONS[action]
        form.user.require(permission)
        try:
            filters, spread = json.loads(form.values["filter"]), float(form.values.get("spread") or 0)
        except (KeyError, ValueError, RecursionError):
            filters, spread = None, 0.0
        if not isinstance(filters, dict) or not all(isinstance(value, str) for value in filters.values()):
            return error_page(dashboard, None, 422, "This form is none of ours", "Load the page again.")
        own = {} if form.user.tenant is None else {"tenant": form.user.tenant}
        count = await dashboard.store.count({**filters, **own})
        bulk = dashboard.bulks.begin(
            run,
            what=f"{action}: {form.values.get('words', '')[:200]}",
            by=form.user.name,
            filter={**filters, **own},
            total=count["count"],
            spread_seconds=min(max(spread, 0.0), LONGEST_SPREAD) if math.isfinite(spread) else 0.0,
            permission=permission,
            tenant=form.user.tenant,
        )
        return RedirectResponse(f"/bulk/{bulk.id}", 303, headers=HEADERS)

    return form_route(dashboard, do)


async def watch(request: PageRequest) -> Page:
    """Show how far one is."""
    bulk = request.dashboard.bulks.get(request.http.path_params["id"])
    if bulk is None or bulk.tenant != request.user.tenant:
        raise NotFound("it is not known here: it ended long ago, or another process runs it")
    return Page("bulk.html", {"it": bulk, "left": f"/executions?{urlencode({'q': 'status:failed'})}"})


def stop(dashboard: DashboardContext) -> Handler:
    """Return what answers the button that stops one."""

    async def do(form: Form) -> Response:
        id_ = form.request.path_params["id"]
        bulk = dashboard.bulks.get(id_)
        if bulk is not None and bulk.tenant == form.user.tenant and bulk.task is not None:
            form.user.require(bulk.permission)
            bulk.task.cancel()
        return RedirectResponse(f"/bulk/{id_}", 303, headers=HEADERS)

    return form_route(dashboard, do)
