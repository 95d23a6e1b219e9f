"""The routes of the dashboard."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from minutehand.dashboard.api.problems import problem
from minutehand.dashboard.context import DashboardContext, page_route
from minutehand.dashboard.pages import bulk_actions
from minutehand.dashboard.pages.actions import execution_action, workflow_action
from minutehand.dashboard.pages.execution import execution
from minutehand.dashboard.pages.executions import executions
from minutehand.dashboard.pages.exports import export_route, step_html_route
from minutehand.dashboard.pages.failures import failures
from minutehand.dashboard.pages.health import health
from minutehand.dashboard.pages.login import login_route, logout_route
from minutehand.dashboard.pages.overview import overview
from minutehand.dashboard.pages.workflows import workflow, workflows
from minutehand.dashboard.render import STATIC
from minutehand.dashboard.sse import EventStream

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def routes(dashboard: DashboardContext, events: EventStream) -> list[BaseRoute]:
    """Return all routes of the dashboard."""
    return [
        Route("/", page_route(dashboard, overview)),
        Route("/executions", page_route(dashboard, executions)),
        Route("/executions/action", execution_action(dashboard), methods=["POST"]),
        Route("/executions/all", page_route(dashboard, bulk_actions.confirm)),
        Route("/executions.{format:str}", export_route(dashboard)),
        Route("/executions/{id}", page_route(dashboard, execution)),
        Route("/executions/{id}/steps/{step}/html", step_html_route(dashboard)),
        Route("/failures", page_route(dashboard, failures)),
        Route("/failures/retry", page_route(dashboard, bulk_actions.confirm)),
        Route("/bulk", bulk_actions.start(dashboard), methods=["POST"]),
        Route("/bulk/{id}", page_route(dashboard, bulk_actions.progress)),
        Route("/bulk/{id}/stop", bulk_actions.stop(dashboard), methods=["POST"]),
        Route("/workflows", page_route(dashboard, workflows)),
        Route("/workflows/{id}", page_route(dashboard, workflow)),
        Route("/workflows/{id}/action", workflow_action(dashboard), methods=["POST"]),
        Route("/health", page_route(dashboard, health)),
        Route("/live", events.answer),
        Route("/login", login_route(dashboard), methods=["GET", "POST"]),
        Route("/logout", logout_route(dashboard), methods=["POST"]),
        Route("/static/{name}", static_file),
    ]


async def static_file(request: Request) -> Response:
    """Answer a static file.  Its address contains its hash, so browsers may keep it for ever."""
    path = STATIC / request.path_params["name"]
    if path.parent != STATIC or path.suffix not in _TYPES or not path.is_file():
        return problem(404, "no such file")
    headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)
