"""What every page shares.  A page is a function from `PageRequest` to `Page`: a template and its values.

request ─► access (who?) ─► page (what?) ─────────────► template ─► headers
                              ├─ query cache: shared,    └─ page threads: beside the event loop
                              │  at most one second old, at most five seconds long
                              └─ page threads
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from minutehand.dashboard.api.problems import TRACEBACK
from minutehand.dashboard.auth.base import Access, Denied
from minutehand.dashboard.auth.identity import Forbidden, User
from minutehand.dashboard.bulk_runner import BulkRunner
from minutehand.dashboard.chart_cache import ChartCache
from minutehand.dashboard.page_threads import PageThreads, PageTooSlow
from minutehand.dashboard.presentation.search import narrowed
from minutehand.dashboard.query_cache import QueryCache
from minutehand.dashboard.render import render
from minutehand.dashboard.services import Services
from minutehand.executor.log import structlog
from minutehand.executor.text.copies import notice, why_stopped
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

NO_PERMISSION, UNREACHABLE = "No permission", "Database unreachable"
TIMEOUT = (
    "A query of this page was cancelled after 5 s. Choose a shorter time range or one workflow. "
    "If that fails, too, check that the database is reachable."
)
TOO_SLOW = (
    "It took more than 10 s to build. See the same with the command line: minutehand workflows show, executions show."
)

Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")
PageFunction = Callable[["PageRequest"], Awaitable["Page"]]


@dataclass(frozen=True, slots=True)
class Page:
    """A template and its values."""

    template: str
    context: Mapping[str, Any]
    status: int = 200


@dataclass(slots=True)
class DashboardContext:
    """What all pages share."""

    store: Store
    access: Access
    version: str
    services: Services
    read_only: bool = False
    #: The database's name, in the footer.
    database: str = ""
    queries: QueryCache = field(default_factory=QueryCache)
    threads: PageThreads = field(default_factory=PageThreads)
    bulk_runner: BulkRunner = field(init=False)
    charts: ChartCache = field(init=False)

    def __post_init__(self) -> None:
        self.bulk_runner = BulkRunner(self.store)
        self.charts = ChartCache()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request of a user."""

    dashboard: DashboardContext
    http: Request
    user: User
    now: datetime

    @property
    def store(self) -> Store:
        """The database."""
        return self.dashboard.store

    def param(self, name: str, default: str = "") -> str:
        """Return a parameter of the query string, the first if it is repeated."""
        return self.http.query_params.get(name, default)

    async def query(self, key: Any, fetch: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `fetch` reads from the database, or a result for the same key that is at most a second old."""
        return await self.dashboard.queries((self.user.tenant, key), fetch)

    async def build(self, function: Callable[..., T], *args: Any) -> T:
        """Return what `function` makes of what was read.  It runs in a thread, since it may cost much CPU time."""
        return await self.dashboard.threads.run(function, *args)

    def own_filter(self, filters: Mapping[str, Any]) -> Json:
        """Return the filter narrowed to what the user may see.  Errors: `BadSearch`."""
        return narrowed(filters, self.user.tenant, may_payloads=self.user.may("payloads"))


def page_route(dashboard: DashboardContext, make: PageFunction) -> Handler:
    """Return the route handler of a page.  It answers with an error page when the page cannot be made."""

    async def handler(http: Request) -> Response:
        try:
            user = await dashboard.access.authenticate(http)
            user.require("view")
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return error_page(dashboard, None, 403, NO_PERMISSION, str(error))
        request = PageRequest(dashboard, http, user, datetime.now(UTC))
        if "\0" in unquote(str(http.url)):
            return error_page(dashboard, request, 422, "Bad address", "The address contains a NUL character.")
        try:
            page = await make(request)
            page = replace(page, context={"bar": await _bar(request), **page.context})
            return await request.build(render_page, dashboard, request, page)
        except PageTooSlow:
            return error_page(dashboard, request, 503, "The page is too large", TOO_SLOW)
        except Forbidden as error:
            return error_page(dashboard, request, 403, NO_PERMISSION, str(error))
        except TimeoutError:
            return error_page(dashboard, request, 503, "The database took too long", TIMEOUT)
        except StoreError as error:
            return _store_error_page(request, error)
        except Exception as error:
            log.exception("request_crashed", path=http.url.path, exc_info=error)
            return error_page(dashboard, request, 500, "Internal error", f"{TRACEBACK.capitalize()}.")

    return handler


async def _bar(request: PageRequest) -> str | None:
    """Return what each page says of this database first; None: nothing.  Tenants learn no address."""
    identity = await request.query("identity", request.store.identity)
    text = why_stopped(identity, request.dashboard.services.executor) or notice(identity)
    if text is not None and request.user.tenant is not None:
        return "This is a copy of the app's database." if why_stopped(identity) else None
    return text


def _store_error_page(request: PageRequest, error: StoreError) -> Response:
    """Say what the database answered.  A tenant's user learns neither its address nor what belongs to others."""
    status, title, for_tenants = 503, UNREACHABLE, "Try again, or ask the operator of this dashboard."
    if isinstance(error, NotFound):
        status, title, for_tenants = 404, "Not found", "It does not exist, or it belongs to somebody else."
    elif isinstance(error, BadRequest):
        status, title, for_tenants = 422, "Bad request", "It does not exist, or it belongs to somebody else."
    detail = str(error) if request.user.tenant is None else for_tenants
    return error_page(request.dashboard, request, status, title, detail)


def render_page(dashboard: DashboardContext, request: PageRequest | None, page: Page) -> Response:
    """Fill in the page's template and add the security headers."""
    context = {
        "now": datetime.now(UTC) if request is None else request.now,
        "path": "" if request is None else request.http.url.path,
        "user": None if request is None else request.user,
        "token": "" if request is None else dashboard.access.form_token(request.user),
        "backend": dashboard.store.backend,
        "database": dashboard.database if request is not None and request.user.tenant is None else "",
        "version": dashboard.version,
        "read_only": dashboard.read_only,
        "signs_in": dashboard.access.signs_in,
        **page.context,
    }
    return HTMLResponse(render(page.template, context), page.status, headers=HEADERS)


def error_page(
    dashboard: DashboardContext, request: PageRequest | None, status: int, title: str, detail: str
) -> Response:
    """Return a page that says what went wrong."""
    phrase = HTTPStatus(status).phrase
    context = {"title": title, "detail": detail, "status": f"{status} {phrase}"}
    return render_page(dashboard, request, Page("problem.html", context, status))
