"""Forms that change something: retry, cancel, release, resolve, pause, resume.  Each checks its permission."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from minutehand.dashboard.auth.base import Denied
from minutehand.dashboard.auth.identity import Forbidden, User
from minutehand.dashboard.context import (
    HEADERS,
    NO_PERMISSION,
    UNREACHABLE,
    DashboardContext,
    Handler,
    error_page,
)
from minutehand.store import Actor, Store
from minutehand.store.errors import BadRequest, StoreError
from minutehand.store.records import ActionResult

MAX_FORM_BYTES = 64 * 1024
#: Executions that one form may name.
MAX_IDS = 1000


class Action(NamedTuple):
    """What can be done to executions."""

    permission: str
    #: As in "Not retried: …".
    participle: str
    run: Callable[[Store, list[str], Actor], Awaitable[list[ActionResult]]]


async def _release(store: Store, ids: list[str], actor: Actor) -> list[ActionResult]:
    return (await store.release(ids, actor=actor))["answers"]


ACTIONS = {
    "retry": Action("retry", "retried", lambda store, ids, actor: store.retry(ids, actor=actor)),
    "cancel": Action("cancel", "cancelled", lambda store, ids, actor: store.cancel(ids, actor=actor)),
    "sent": Action("resolve", "marked as sent", lambda store, ids, actor: store.resolve(ids, "sent", actor=actor)),
    "resend": Action("resolve", "sent again", lambda store, ids, actor: store.resolve(ids, "resend", actor=actor)),
    "drop": Action("resolve", "marked as not sent", lambda store, ids, actor: store.resolve(ids, "drop", actor=actor)),
    "release": Action("retry", "released", _release),
}


@dataclass(frozen=True, slots=True)
class Form:
    """A form that a user submitted."""

    request: Request
    user: User
    fields: list[tuple[str, str]]

    @property
    def values(self) -> dict[str, str]:
        """The last value of each field."""
        return dict(self.fields)

    @property
    def actor(self) -> Actor:
        """The user, as the database keeps who did something."""
        return Actor(via="dashboard", name=self.user.name)


def form_route(dashboard: DashboardContext, handle: Callable[[Form], Awaitable[Response]]) -> Handler:
    """Return the route handler of a form.  It checks the user, the form's origin, and that the dashboard may write."""

    async def handler(request: Request) -> Response:
        try:
            user = await dashboard.access.authenticate(request)
            form = Form(request, user, await read_form(request))
            dashboard.access.check_form(request, user, form.values.get("token", ""))
            if dashboard.read_only:
                return error_page(dashboard, None, 403, "Read only", "This dashboard was started with --read-only.")
            response = await handle(form)
            dashboard.queries.clear()
            return response
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return error_page(dashboard, None, 403, NO_PERMISSION, str(error))
        except BadRequest as error:
            return error_page(dashboard, None, 409, "Not done", str(error))
        except StoreError as error:
            return error_page(dashboard, None, 503, UNREACHABLE, str(error))

    return handler


def execution_action(dashboard: DashboardContext) -> Handler:
    """Return the handler of the buttons of executions."""

    async def handle(form: Form) -> Response:
        action = ACTIONS.get(form.values.get("action", ""))
        if action is None:
            return error_page(dashboard, None, 422, "Unknown action", form.values.get("action", "")[:40])
        form.user.require(action.permission)
        named = [value for name, value in form.fields if name == "id"][:MAX_IDS]
        ids = await visible_ids(dashboard, form.user, named)
        results = await action.run(dashboard.store, ids, form.actor) if ids else []
        if refused := [result for result in results if result["answer"] in ("refused", "missing")]:
            return _refused_page(dashboard, action, refused, len(ids))
        return RedirectResponse(local_path(form.values.get("back", "")), 303, headers=HEADERS)

    return form_route(dashboard, handle)


def _refused_page(dashboard: DashboardContext, action: Action, refused: list[ActionResult], total: int) -> Response:
    if total == 1:
        title, detail = f"Not {action.participle}", str(refused[0].get("reason") or refused[0]["answer"])
    else:
        title = f"{len(refused)} of {total} not {action.participle}"
        detail = "; ".join(f"{result['id']}: {result.get('reason') or result['answer']}" for result in refused[:5])
        detail += f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
    return error_page(dashboard, None, 409, title, detail)


def workflow_action(dashboard: DashboardContext) -> Handler:
    """Return the handler of the buttons of a workflow: pause and resume."""

    async def handle(form: Form) -> Response:
        form.user.require("pause")
        workflow = await dashboard.store.workflow(form.request.path_params["id"], tenant=form.user.tenant)
        id_ = workflow["id"]
        if form.values.get("action") == "pause":
            reason = form.values.get("reason", "").strip()[:200] or None
            await dashboard.store.pause(scope="workflow", target=id_, reason=reason, actor=form.actor)
        elif form.values.get("action") == "resume":
            await dashboard.store.resume(scope="workflow", target=id_, actor=form.actor)
        return RedirectResponse(f"/workflows/{id_}", 303, headers=HEADERS)

    return form_route(dashboard, handle)


async def visible_ids(dashboard: DashboardContext, user: User, ids: list[str]) -> list[str]:
    """Return those of the executions that the user may see."""
    if user.tenant is None or not ids:
        return ids
    visible = await dashboard.store.search({"ids": ids, "tenant": user.tenant}, limit=MAX_IDS)
    return [row["id"] for row in visible["rows"]]


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Read the fields of a form.  Errors: `Denied` when it is too large or does not arrive."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise Denied(PlainTextResponse("The form is too large.\n", 413))
    except ClientDisconnect:
        raise Denied(Response(status_code=400)) from None  # nobody reads it
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def local_path(address: str) -> str:
    """Return where to redirect: a path on this dashboard, whatever the form contains.

    >>> local_path("/executions?q=a"), local_path("//evil.example"), local_path("https://evil.example/")
    ('/executions?q=a', '/', '/')
    >>> local_path("http://[")
    '/'
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith(("//", "/\\")):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")
