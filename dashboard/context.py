"""The window: what every page shares.  A page is a function of a visit, and returns a template and what fills it in.

request ─► access (who?) ─► page (what?) ─► template ─► headers
                              └─ looks: shared, a second old at most, five seconds at most
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from minutehand.dashboard.api.problems import TRACE
from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import Forbidden, Visitor
from minutehand.dashboard.bulk_runner import Bulks
from minutehand.dashboard.chart_cache import History
from minutehand.dashboard.looks import Looks
from minutehand.dashboard.render import render
from minutehand.dashboard.services import Operator
from minutehand.store import Json, Store
from minutehand.store.errors import BadRequest, NotFound, StoreError

log = structlog.get_logger()

#: No script, style or picture but our own; nobody frames us, and no form of ours leads elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "private, no-store",
}

TOO_LONG = "A question of this page was given up after 5 s.  Ask for less: a shorter time, one workflow."

Page = Callable[["Visit"], Awaitable["Shown"]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page answers: a template and what fills it in."""

    template: str
    context: Mapping[str, Any]
    status: int = 200


@dataclass(slots=True)
class Window:
    """What all pages have."""

    store: Store
    access: Access
    version: str
    operator: Operator
    read_only: bool = False
    looks: Looks = field(default_factory=Looks)
    bulks: Bulks = field(init=False)
    history: History = field(init=False)

    def __post_init__(self) -> None:
        self.bulks = Bulks(self.store)
        self.history = History()


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one visitor."""

    window: Window
    request: Request
    visitor: Visitor
    now: datetime

    @property
    def store(self) -> Store:
        """The door to the database."""
        return self.window.store

    def asked(self, name: str, default: str = "") -> str:
        """Return a value of the address; of several the first."""
        return self.request.query_params.get(name, default)

    async def look(self, key: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask the database, or take what it said to the same a moment ago."""
        return await self.window.looks((self.visitor.tenant, key), ask)

    def filtered(self, asked: Mapping[str, Any]) -> Json:
        """Return a filter that shows this visitor nothing of other tenants."""
        own = {} if self.visitor.tenant is None else {"tenant": self.visitor.tenant}
        return {**asked, **own}


def page(window: Window, make: Page) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a request with this page, or says why it cannot."""

    async def answer(request: Request) -> Response:
        try:
            visitor = await window.access.visitor(request)
            visitor.require("view")
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return refusal(window, request, None, 403, "This is not yours to see", f"it takes the permission {error}")
        visit = Visit(window, request, visitor, datetime.now(UTC))
        if "\0" in unquote(str(request.url)):
            return refusal(window, request, visit, 422, "This cannot be asked", "no text of a database has this letter")
        try:
            shown = await make(visit)
        except Forbidden as error:
            return refusal(window, request, visit, 403, "This is not yours to do", f"it takes the permission {error}")
        except TimeoutError:
            return refusal(window, request, visit, 503, "The database took too long", TOO_LONG)
        except StoreError as error:
            return _refused(visit, error)
        except Exception as error:
            log.exception("request_crashed", path=request.url.path, exc_info=error)
            return refusal(window, request, visit, 500, "A bug of Minutehand", f"{TRACE.capitalize()}.")
        return respond(window, visit, shown)

    return answer


def _refused(visit: Visit, error: StoreError) -> Response:
    """Say why the database gave nothing.  A tenant is told neither where it is nor what else is there."""
    status, title, to_tenants = 503, "The database cannot be asked", "Ask whoever runs it."
    if isinstance(error, NotFound):
        status, title, to_tenants = 404, "There is no such thing here", "It is not there, or not yours."
    elif isinstance(error, BadRequest):
        status, title, to_tenants = 422, "This cannot be asked", "It is not there, or not yours."
    detail = str(error) if visit.visitor.tenant is None else to_tenants
    return refusal(visit.window, visit.request, visit, status, title, detail)


def respond(window: Window, visit: Visit | None, shown: Shown) -> Response:
    """Fill in the template, and put the headers on."""
    context = {
        "now": datetime.now(UTC) if visit is None else visit.now,
        "path": "" if visit is None else visit.request.url.path,
        "visitor": None if visit is None else visit.visitor,
        "token": "" if visit is None else window.access.form_token(visit.visitor),
        "backend": window.store.backend,
        "version": window.version,
        "read_only": window.read_only,
        "signs_in": window.access.signs_in,
        **shown.context,
    }
    return HTMLResponse(render(shown.template, context), shown.status, headers=HEADERS)


def refusal(window: Window, request: Request, visit: Visit | None, status: int, title: str, detail: str) -> Response:
    """Answer a page that says what went wrong."""
    phrase = HTTPStatus(status).phrase
    context = {"title": title, "detail": detail, "status": f"{status} {phrase}"}
    return respond(window, visit, Shown("problem.html", context, status))
