"""Actions on all executions that match: they are counted first, and can be watched and stopped."""

from __future__ import annotations

import json
import math

from starlette.responses import RedirectResponse, Response

from minutehand.dashboard.context import HEADERS, DashboardContext, Handler, Page, PageRequest, error_page
from minutehand.dashboard.pages.actions import ACTIONS, Form, form_route
from minutehand.dashboard.pages.failures import SPANS
from minutehand.dashboard.presentation.search import BadSearch, as_filter, narrowed, parse_search, split_terms
from minutehand.store.errors import NotFound
from minutehand.store.records import BulkAction

#: Seconds over which an action can be spread at most.
MAX_SPREAD_SECONDS = 86_400.0
#: The statuses that each action applies to.
STATUSES = {"retry": ("failed", "skipped"), "cancel": ("pending", "processing")}


async def confirm(request: PageRequest) -> Page:
    """Show how many executions match, and ask what to do with them."""
    filters, description = _meant(request)
    try:
        own = request.own_filter(filters)
    except BadSearch as error:
        raise NotFound(str(error)) from None
    count = await request.dashboard.queries.once(lambda: request.store.count(own))
    status = filters.get("status", "")
    actions = [
        action
        for action, statuses in STATUSES.items()
        if (not status or status in statuses) and request.user.may(ACTIONS[action].permission)
    ]
    return Page(
        "bulk_confirm.html",
        {
            "q": " ".join(request.param("q").split()),
            "description": description,
            "count": count,
            "actions": actions,
            "filter": json.dumps(filters),
        },
    )


def _meant(request: PageRequest) -> tuple[dict[str, str], str]:
    """Return the filter of the address, and its description.  Its times are fixed now, so that the count stays true."""
    if request.http.url.path == "/failures/retry":
        filters = {"status": "failed", "message": request.param("message")}
        filters |= {name: value for name in ("code", "workflow") if (value := request.param(name))}
        since = SPANS.get(request.param("span"), SPANS["24h"])
        description = f"failed with {filters.get('code', 'no code')}: {filters['message']}"
        return filters | {"since": (request.now - since).isoformat(), "until": request.now.isoformat()}, description
    try:
        terms = parse_search(split_terms(request.param("q")))
    except BadSearch as error:
        raise NotFound(str(error)) from None
    return {"until": request.now.isoformat()} | as_filter(terms, request.now), request.param("q") or "all"


def start(dashboard: DashboardContext) -> Handler:
    """Return the handler of the form of `confirm`."""

    async def handle(form: Form) -> Response:
        action = form.values.get("action", "")
        if action not in STATUSES:
            return error_page(dashboard, None, 422, "Unknown action", action[:40])
        form.user.require(ACTIONS[action].permission)
        try:
            filters, spread = json.loads(form.values["filter"]), float(form.values.get("spread") or 0)
        except (KeyError, ValueError, RecursionError):
            filters, spread = None, 0.0
        if not isinstance(filters, dict) or not all(isinstance(value, str) for value in filters.values()):
            return error_page(dashboard, None, 422, "Bad request", "The form is not valid. Reload the page.")
        try:
            filters = narrowed(filters, form.user.tenant, may_payloads=form.user.may("payloads"))
        except BadSearch as error:
            return error_page(dashboard, None, 422, "Bad request", str(error))
        bulk = await dashboard.store.bulk_start(
            action,
            filters,
            spread_seconds=min(max(spread, 0.0), MAX_SPREAD_SECONDS) if math.isfinite(spread) else 0.0,
            actor=form.actor,
            note=form.values.get("description", "")[:200],
        )
        dashboard.bulk_runner.run(bulk["id"])
        return RedirectResponse(f"/bulk/{bulk['id']}", 303, headers=HEADERS)

    return form_route(dashboard, handle)


async def progress(request: PageRequest) -> Page:
    """Show how far a bulk action is."""
    bulk = await request.store.bulk_get(request.http.path_params["id"])
    _check_tenant(request.user.tenant, bulk)
    share = 1.0 if not bulk["total"] else min(1.0, (bulk["done"] + bulk["failed"]) / bulk["total"])
    return Page("bulk.html", {"bulk": bulk, "share": share})


def _check_tenant(tenant: str | None, bulk: BulkAction) -> None:
    if tenant not in (None, bulk["filter"].get("tenant")):
        raise NotFound(f"there is no bulk action {bulk['id']}")


def stop(dashboard: DashboardContext) -> Handler:
    """Return the handler of the button that stops a bulk action."""

    async def handle(form: Form) -> Response:
        bulk = await dashboard.store.bulk_get(form.request.path_params["id"])
        _check_tenant(form.user.tenant, bulk)
        form.user.require(ACTIONS[bulk["action"]].permission)
        await dashboard.store.bulk_stop(bulk["id"], actor=form.actor)
        return RedirectResponse(f"/bulk/{bulk['id']}", 303, headers=HEADERS)

    return form_route(dashboard, handle)
