"""What every way of being let in has in common: users, and forms that must come from a page of ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from minutehand.dashboard.auth.identity import User


class Denied(Exception):
    """The request is answered by this instead."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Access(ABC):
    """Knows users, and whether a form came from a page of ours."""

    #: Whether users sign in, and so out, on a page of ours.
    signs_in = False

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    @abstractmethod
    async def authenticate(self, request: Request) -> User:
        """Say who it is.  Errors: `Denied`."""

    def form_token(self, user: User) -> str:
        """Return what a form of this user carries: of this process, and of nobody else's."""
        return hmac.new(self._key, f"{user.name}\0{user.tenant}".encode(), hashlib.sha256).hexdigest()

    def check_form(self, request: Request, user: User, token: str) -> None:
        """Errors: `Denied` unless the form came from a page of ours, shown to this user."""
        check_origin(request)
        if not hmac.compare_digest(token.encode(), self.form_token(user).encode()):
            raise Denied(PlainTextResponse("This form is old: load the page again.\n", 403))


def check_origin(request: Request) -> None:
    """Errors: `Denied` unless a page of ours sent this."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    _, _, origin = request.headers.get("origin", "").partition("://")
    if site != "same-origin" or not origin or origin != request.headers.get("host"):
        raise Denied(PlainTextResponse("This form did not come from a page of ours.\n", 403))
