"""The Supabase backend: the `supabase` client's rpc, async.  It needs a project's URL and a secret key.

A call is one POST and one transaction.  The client never repeats a POST; the store repeats what is safe to repeat (R5).
PostgREST returns the SQLSTATE of the database, so both backends share one map of errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from minutehand.store.errors import AccessDenied, BadConfiguration, BadRequest, StoreError, Unreachable, from_sqlstate
from minutehand.store.json import dumps, loads
from minutehand.store.project import WANTED, project_url, server_key

if TYPE_CHECKING:
    from httpx import Response
    from postgrest.exceptions import APIError
    from supabase import AsyncClient

#: The platform ends a statement after 8 s (service_role inherits this from authenticator).
TIMEOUT_SECONDS = 20.0
#: Concurrent connections to the project; the platform's own pool is small.
MOST_CONNECTIONS = 20
#: The latest response of this task; the client discards a body that Python's parser cannot read.
_heard: ContextVar[Response | None] = ContextVar("heard", default=None)


class SupabaseDriver:
    """A client of one project.  The first call creates it."""

    backend = "supabase"
    kind = "rest"
    can_listen = False
    linger_seconds = 0.1

    def __init__(self, url: str, key: str) -> None:
        self._url = project_url(url)
        self._key = server_key(key)
        self.location = urlsplit(self._url).netloc
        self._where = f"Supabase at {self.location}"
        self._client: AsyncClient | None = None

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """See `Driver.call`."""
        import httpx
        from postgrest.exceptions import APIError

        # Cleaned as on the other backend; instants as text.
        sent = json.loads(dumps(arguments))
        _heard.set(None)
        try:
            answer = (await self._made().rpc(function, sent).execute()).data
        except (RecursionError, ValueError):
            if (heard := _heard.get()) is None:
                raise
            answer = heard.text
        except APIError as error:
            raise self._explain(error) from error
        except httpx.TimeoutException as error:
            raise Unreachable(f"{self._where} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except httpx.HTTPError as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise Unreachable(f"{self._where}: {reason}. Check SUPABASE_URL, and whether the project runs.") from error
        if not isinstance(answer, str):
            return answer
        try:
            return loads(answer)  # the client returns text when it cannot parse the body
        except ValueError:
            words = f"{self._where} does not answer as a Supabase project. Check SUPABASE_URL."
            raise BadConfiguration(words) from None

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
            from httpx import AsyncClient as HttpxClient
            from httpx import Limits
            from supabase import AsyncClient, AsyncClientOptions

            http = HttpxClient(
                timeout=TIMEOUT_SECONDS,
                limits=Limits(max_connections=MOST_CONNECTIONS),
                http2=True,
                trust_env=False,
                event_hooks={"response": [_hear]},
            )
            options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
            self._client = AsyncClient(self._url, self._key, options)
        return self._client

    def _explain(self, error: APIError) -> StoreError:
        return explain(self._where, error.code, error.message or "", error.hint)


async def _hear(response: Response) -> None:
    _heard.set(response)


def explain(place: str, code: str | None, message: str, hint: str | None) -> StoreError:
    """Map an error response of the project to a `StoreError`.

    `code` is an SQLSTATE, PostgREST's own (PGRST…), the HTTP status where the body was no JSON of PostgREST's, or None
    where the gateway before it answered in its own words.
    """
    text = " ".join(message.split())
    if code is None or code in ("401", "403") or code.startswith("PGRST30"):
        return AccessDenied(f"{place} refuses the key ({text or code}): it was revoked, or belongs to another project. "
                            f"In SUPABASE_SERVICE_ROLE_KEY, {WANTED}.")  # fmt: skip
    if code.startswith("PGRST00"):
        return Unreachable(f"{place}: {text}. Its database does not answer.")
    if code == "PGRST106":
        return BadConfiguration(f"{place}: {text}. Expose the schema public: Settings > API.")
    if re.fullmatch(r"[1-5]\d\d", code):
        return _of_status(place, int(code), text)
    return from_sqlstate(code, text, hint)


def _of_status(place: str, status: int, text: str) -> StoreError:
    if status == 540:
        return Unreachable(f"{place} is paused: restore it in the Supabase dashboard")
    if status == 404:
        return BadConfiguration(f"{place} has no REST API ({text}). Check SUPABASE_URL.")
    if status in (408, 425, 429) or status >= 500:
        return Unreachable(f"{place} answered {status} ({text}); the same call may work later")
    return BadRequest(f"{place} answered {status} ({text})")
