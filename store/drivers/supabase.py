"""The Supabase backend: the `supabase` client's rpc, async.  It needs a project's URL and a secret key.

A call is one POST and one transaction.  The client never repeats a POST; the store repeats what is safe to repeat (R5).
What a response means is decided by its status first, then by PostgREST's code; where that is the SQLSTATE of the
database, both backends share one map of errors.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from minutehand.store.errors import (
    AccessDenied,
    BadConfiguration,
    BadRequest,
    MissingRight,
    SchemaMismatch,
    StoreError,
    Unreachable,
    at,
    from_sqlstate,
    unwritable,
)
from minutehand.store.json import Unwritable, dumps, loads
from minutehand.store.place import project_place
from minutehand.store.project import WANTED, project_reference, project_url, server_key

if TYPE_CHECKING:
    from httpx import AsyncClient as HttpxClient
    from httpx import Request, Response
    from supabase import AsyncClient

#: The platform ends a statement after 8 s (service_role inherits this from authenticator).
TIMEOUT_SECONDS = 20.0
#: Concurrent connections to the project; the platform's own pool is small.
MOST_CONNECTIONS = 20
#: The body of this task's call: the client's own encoder takes no exact numbers.
_body: ContextVar[bytes | None] = ContextVar("body", default=None)
#: The latest response of this task.
_response: ContextVar[Response | None] = ContextVar("response", default=None)
#: Characters that are quoted of a gateway's page, and of a message of the database.
MAX_QUOTED, MAX_MESSAGE = 200, 2_000
#: Their answers contain the schema's version, which no other server's JSON does.
_SAYS_VERSION = ("automation_schema_version", "automation_tick")
_OF_THE_FUTURE = re.compile("future|not yet")
_TAG = re.compile(r"<(style|script|title)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
#: No class of SQLSTATE begins with 1; numbers of gateways do.
_SQLSTATE = re.compile("[02-9A-Z][0-9A-Z]{4}")


class SupabaseDriver:
    """A client of one project.  The first call creates it."""

    backend = "supabase"
    kind = "rest"
    linger_seconds = 0.1

    def __init__(self, url: str, key: str) -> None:
        self._url = project_url(url)
        self._key = server_key(key)
        self.location = project_place(self._url)
        self.project = project_reference(urlsplit(self._url).hostname or "")
        self._where = f"Supabase at {self.location}"
        self._client: AsyncClient | None = None
        self._is_project = False

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """See `Driver.call`."""
        if not self._is_project and function not in _SAYS_VERSION:
            await self.call("automation_schema_version")
        answer = await self._post(function, arguments)
        if not self._is_project and function in _SAYS_VERSION:
            if not _has_version(answer):
                raise self._no_project()
            self._is_project = True
        return answer

    async def _post(self, function: str, arguments: dict[str, Any]) -> Any:
        """Make one request.  What the response means is read here: the client's own errors lack the status."""
        import httpx

        try:
            _body.set(dumps(arguments).encode())
        except Unwritable as error:
            raise unwritable(error) from None
        _response.set(None)
        try:
            await self._made().rpc(function, {}).execute()
        except httpx.TimeoutException as error:
            raise Unreachable(f"{self._where} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except httpx.HTTPError as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise Unreachable(f"{self._where}: {reason}. Check SUPABASE_URL, and whether the project runs.") from error
        except Exception:
            if _response.get() is None:
                raise
        response = _response.get()
        assert response is not None, "the client has returned"
        if response.status_code >= 300:
            if f"permission denied for function {function}" in response.text:
                raise MissingRight(
                    f"{self._where}: role service_role may not call {function}: as the owner, run: "
                    f"grant execute on function {function} to service_role"
                )
            raise explain(self._where, response.status_code, response.headers, response.text)
        try:
            return loads(response.content)
        except ValueError:
            raise self._no_project() from None

    def _no_project(self) -> BadConfiguration:
        return BadConfiguration(f"{self._where} does not answer as a Supabase project. Check SUPABASE_URL.")

    async def can_listen(self) -> bool:
        """See `Driver.can_listen`.  REST forwards no NOTIFY."""
        return False

    async def hints(self) -> AsyncIterator[None]:
        """See `Driver.hints`.  REST has none."""
        raise BadConfiguration("a project's REST API does not forward NOTIFY")
        yield

    async def close(self) -> None:
        """See `Driver.close`."""
        client, self._client = self._client, None
        if client is not None and client.options.httpx_client is not None:
            await client.options.httpx_client.aclose()

    def _made(self) -> AsyncClient:
        if self._client is None:
            from httpx import Limits
            from supabase import AsyncClient, AsyncClientOptions

            http = _exact_client()(
                timeout=TIMEOUT_SECONDS,
                limits=Limits(max_connections=MOST_CONNECTIONS),
                http2=True,
                trust_env=False,
                event_hooks={"response": [_keep]},
            )
            options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
            self._client = AsyncClient(self._url, self._key, options)
        return self._client


def _exact_client() -> type[HttpxClient]:
    """Return httpx's client that sends the call's body as the store wrote it: with all digits of its numbers."""
    from httpx import AsyncClient as Client

    class ExactClient(Client):
        def build_request(self, *args: Any, **named: Any) -> Request:
            if (body := _body.get()) is not None:
                named |= {"content": body, "json": None}
            return super().build_request(*args, **named)

    return ExactClient


async def _keep(response: Response) -> None:
    _response.set(response)


def _has_version(answer: Any) -> bool:
    """Return whether an answer is that of our function, and not another server's JSON."""
    return isinstance(answer, dict) and any(isinstance(answer.get(key), int) for key in ("version", "schema_version"))


def explain(place: str, status: int, headers: Mapping[str, str], body: str) -> StoreError:
    """Map a response of the project, or of a gateway in front of it, to a `StoreError`.  The status decides first.

    `body` may be PostgREST's `{"code", "message", "hint"}`, the gateway's own JSON, or HTML.
    """
    code, text, hint = _words(body)
    said = f"{place} answered {status} ({text or code or 'no text'})"
    if status == 540:
        return Unreachable(f"{place} is paused: restore it in the Supabase dashboard", passing=True)
    if status > 500 and code.startswith("PGRST00"):
        return Unreachable(f"{place}: {text}. Its database does not answer.", passing=True)
    if status > 500 or status in (408, 425, 429) or (status == 500 and not _SQLSTATE.fullmatch(code)):
        wait = headers.get("retry-after", "")
        seconds = float(wait) if wait.isdecimal() and len(wait) < 6 else None
        return Unreachable(f"{said}; the same call may work later", passing=True, retry_after_seconds=seconds)
    if _SQLSTATE.fullmatch(code):
        return at(place, from_sqlstate(code, text, hint))
    return _of_refusal(place, status, code, text)


def _of_refusal(place: str, status: int, code: str, text: str) -> StoreError:
    """Map what PostgREST or the gateway refused, before the database was asked."""
    said = f"{place} answered {status} ({text or code or 'no text'})"
    if code == "PGRST303" and _OF_THE_FUTURE.search(text):  # the clocks of the gateway and of PostgREST differ
        return Unreachable(f"{said}; the same call may work in a moment", passing=True)
    if status in (401, 403):
        return AccessDenied(f"{place} refuses the key ({text or status}): it was revoked, or belongs to another "
                            f"project. In SUPABASE_SERVICE_ROLE_KEY, {WANTED}.")  # fmt: skip
    if code in ("PGRST202", "PGRST205"):  # also while PostgREST reads the schema anew, after anybody's DDL
        return SchemaMismatch(
            f"{place}: {text}. The database does not have this program's schema: run `minutehand migrate`, "
            "or wait until the API has read the schema anew.",
            passing=True,
        )
    if code == "PGRST106":
        return BadConfiguration(f"{place}: {text}. Expose the schema public: Settings > API.")
    if status == 404:
        return BadConfiguration(f"{place} has no REST API ({text}). Check SUPABASE_URL.")
    if status < 400:
        return BadConfiguration(f"{place} redirects to another address ({status}). Check SUPABASE_URL.")
    return BadRequest(said)


def _words(body: str) -> tuple[str, str, str | None]:
    """Return the code, the message and the hint of an error's body, as far as it has them; each is one short line."""
    try:
        parsed = loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        return "", _line(_TAG.sub(" ", body), MAX_QUOTED), None
    message = next((parsed[key] for key in ("message", "msg", "error") if parsed.get(key)), "")
    hint = parsed.get("hint")
    return str(parsed.get("code") or ""), _line(str(message)), _line(hint) if isinstance(hint, str) else None


def _line(text: str, most: int = MAX_MESSAGE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most] + "…"
