"""What a person may press: retry, cancel, release, resolve; checked here, whatever the page showed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from minutehand.dashboard.auth.base import Denied
from minutehand.dashboard.auth.identity import Forbidden, User
from minutehand.dashboard.context import HEADERS, DashboardContext, Handler, error_page
from minutehand.store import Json, Store
from minutehand.store.errors import BadRequest, StoreError

#: Each action: what it takes, and what it asks of the store.
ACTIONS: dict[str, tuple[str, Callable[[Store, list[str]], Awaitable[list[Json]]]]] = {
    "retry": ("retry", lambda store, ids: store.retry(ids)),
    "cancel": ("cancel", lambda store, ids: store.cancel(ids, reason="cancelled on the dashboard")),
    "sent": ("resolve", lambda store, ids: store.resolve(ids, "sent")),
    "resend": ("resolve", lambda store, ids: store.resolve(ids, "resend")),
    "drop": ("resolve", lambda store, ids: store.resolve(ids, "drop")),
    "release": ("retry", lambda store, ids: _release(store, ids)),
}
MAX_FORM_BYTES = 64 * 1024


async def _release(store: Store, ids: list[str]) -> list[Json]:
    answers: list[Json] = (await store.release(ids))["answers"]
    return answers


@dataclass(frozen=True, slots=True)
class Form:
    """A form of ours that a user sent."""

    request: Request
    user: User
    fields: list[tuple[str, str]]

    @property
    def values(self) -> dict[str, str]:
        """Each field's last value."""
        return dict(self.fields)


def form_route(dashboard: DashboardContext, do: Callable[[Form], Awaitable[Response]]) -> Handler:
    """Return what answers a form: after asking who sent it, and from which page; never on a read-only dashboard."""

    async def handler(request: Request) -> Response:
        try:
            user = await dashboard.access.authenticate(request)
            form = Form(request, user, await read_form(request))
            dashboard.access.check_form(request, user, form.values.get("token", ""))
            if dashboard.read_only:
                raise Forbidden("to change something: this dashboard is read only")
            answer = await do(form)
            dashboard.queries.clear()
            return answer
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return error_page(dashboard, None, 403, "This is not yours to do", f"it takes the permission {error}")
        except BadRequest as error:
            return error_page(dashboard, None, 409, "It could not be done", str(error))
        except StoreError as error:
            return error_page(dashboard, None, 503, "The database cannot be asked", str(error))

    return handler


def execution_action(dashboard: DashboardContext) -> Handler:
    """Return what answers the buttons of executions."""

    async def do(form: Form) -> Response:
        known = ACTIONS.get(form.values.get("action", ""))
        if known is None:
            return error_page(dashboard, None, 422, "There is no such action", form.values.get("action", "")[:40])
        permission, action = known
        form.user.require(permission)
        ids = await visible_ids(dashboard, form.user, [value for name, value in form.fields if name == "id"][:1000])
        answers = await action(dashboard.store, ids) if ids else []
        refused = [row for row in answers if row["answer"] in ("refused", "missing")]
        if refused:
            said = [f"{row['id']}: {row.get('reason') or row['answer']}" for row in refused[:5]]
            more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
            title = f"{len(refused)} of {len(ids)} could not be done"
            return error_page(dashboard, None, 409, title, "; ".join(said) + more)
        return RedirectResponse(local_path(form.values.get("back", "")), 303, headers=HEADERS)

    return form_route(dashboard, do)


def workflow_action(dashboard: DashboardContext) -> Handler:
    """Return what answers the buttons of a workflow: pause and resume."""

    async def do(form: Form) -> Response:
        form.user.require("pause")
        id_ = form.request.path_params["id"]
        card = await dashboard.store.workflow(id_)
        if form.user.tenant not in (None, card["organization_id"] or card["user_id"]):
            raise Forbidden("to act for this tenant")
        if form.values.get("action") == "pause":
            reason = form.values.get("reason", "").strip()[:200] or None
            await dashboard.store.pause(scope="workflow", target=card["id"], reason=reason)
        elif form.values.get("action") == "resume":
            await dashboard.store.resume(scope="workflow", target=card["id"])
        return RedirectResponse(f"/workflows/{card['id']}", 303, headers=HEADERS)

    return form_route(dashboard, do)


async def visible_ids(dashboard: DashboardContext, user: User, ids: list[str]) -> list[str]:
    """Return those of the executions that the user may see."""
    if user.tenant is None or not ids:
        return ids
    shown = await dashboard.store.search({"ids": ids, "tenant": user.tenant}, limit=1000)
    return [row["id"] for row in shown["rows"]]


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Read a form of ours.  Errors: `Denied` when it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise Denied(PlainTextResponse("This form is too large.\n", 413))
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def local_path(address: str) -> str:
    """Return where the browser goes on: a page of ours, whatever the form says.

    >>> local_path("/executions?q=a"), local_path("//evil.example"), local_path("https://evil.example/"), local_path("http://[")
    ('/executions?q=a', '/', '/', '/')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith(("//", "/\\")):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")
