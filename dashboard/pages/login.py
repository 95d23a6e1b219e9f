"""Signing in and out, for users of the Supabase project."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from minutehand.dashboard.auth.base import Denied, check_origin
from minutehand.dashboard.auth.supabase_users import COOKIE, SignInFailed, SupabaseUsers
from minutehand.dashboard.context import HEADERS, DashboardContext, Handler, Page, error_page, render_page
from minutehand.dashboard.pages.actions import local_path, read_form


def login_route(dashboard: DashboardContext) -> Handler:
    """Return the handler of the page that asks for e-mail and password, and of its form."""

    async def handler(request: Request) -> Response:
        access = dashboard.access
        if not isinstance(access, SupabaseUsers):
            return error_page(dashboard, None, 404, "Not found", "This dashboard has no sign-in page.")
        back = local_path(request.query_params.get("back", "/"))
        if request.method == "GET":
            return render_page(dashboard, None, Page("login.html", {"back": back, "problem": ""}))
        try:
            check_origin(request)
            form = dict(await read_form(request))
        except Denied as denied:
            return denied.response
        back = local_path(form.get("back", "/"))
        try:
            token, seconds = await access.sign_in(form.get("email", ""), form.get("password", ""))
        except Denied as denied:
            return denied.response
        except SignInFailed as error:
            return render_page(dashboard, None, Page("login.html", {"back": back, "problem": str(error)}, 401))
        response = RedirectResponse(back, 303, headers=HEADERS)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(COOKIE, token, max_age=seconds, httponly=True, samesite="strict", secure=secure)
        return response

    return handler


def logout_route(dashboard: DashboardContext) -> Handler:
    """Return the handler that deletes the session's cookie."""

    async def handler(request: Request) -> Response:
        try:
            check_origin(request)
        except Denied as denied:
            return denied.response
        response = RedirectResponse("/login", 303, headers=HEADERS)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return handler
