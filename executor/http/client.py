"""The guarded HTTP client, for all outbound HTTP.

HttpError                  carries the verdict; no message contains a URL's query or user information
├── BadTarget              permanent: not an http(s) URL, or an address that workflows may not reach
├── NotSent                retry: no name, no connection, no TLS; nothing left
└── MaybeSent              unknown: it failed after the request may have left (R13)

aiohttp is imported by the first request, so a process without HTTP work does not load it.
"""

from __future__ import annotations

import errno
import io
import re
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from minutehand.executor.http.ip_ranges import is_public
from minutehand.executor.http.response import HttpResponse, judge_response, retry_after_seconds
from minutehand.executor.http.url import split_url
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.text.domains import BadDomain, ascii_domain

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

__all__ = [
    "USER_AGENT",
    "BadTarget",
    "HttpClient",
    "HttpError",
    "HttpResponse",
    "MaybeSent",
    "NotSent",
    "judge_response",
    "parse_url",
    "retry_after_seconds",
    "shown_url",
]

#: The User-Agent header.
USER_AGENT = "minutehand"
#: Bytes of a response that are kept; the rest is not read.
MAX_RESPONSE_BYTES = 64 * 1024
#: Bytes of a request's body above which it is sent in pieces.
LARGE_BYTES = 1024 * 1024
#: Seconds a connection may idle before it is dropped: below the 5 s of Node and uvicorn, so that a request seldom
#: meets a connection that its server is closing (its result would be unknown).
IDLE_SECONDS = 4.0
#: Seconds to find and connect to a receiver, TLS included; half of the request's time when that is shorter.
CONNECT_SECONDS = 10.0
#: Characters of the longest URL that is kept with what was read of it; a step reads its URL several times.
MAX_KEPT_URL = 2_000


class HttpError(Exception):
    """A request without a usable response; `verdict` is what is known about the work it asked for."""

    verdict: ClassVar[Verdict] = Verdict.UNKNOWN
    code: str = "uncertain_send"

    def as_result(self) -> StepResult:
        """Return the error as the result of a step."""
        return StepResult(verdict=self.verdict, code=self.code, reason=str(self))


class BadTarget(HttpError):
    """The URL is not valid, or its address is not allowed to workflows."""

    verdict = Verdict.PERMANENT

    def __init__(self, message: str, code: str = "bad_url") -> None:
        super().__init__(message)
        self.code = code


class NotSent(HttpError):
    """The receiver was not reached; nothing left."""

    verdict = Verdict.RETRY
    code = "unreachable"


class MaybeSent(HttpError):
    """The request failed after it may have left."""


class _PrivateAddress(OSError):
    """Raised instead of connecting.  It does not name the address: a workflow must not map our network."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "private address")


def parse_url(url: str) -> URL:
    """Read a URL that a workflow may call, and keep it as it is written (see url.py).  Errors: `BadTarget`."""
    return _kept_url(url) if len(url) <= MAX_KEPT_URL else _read_url(url)


def _read_url(url: str) -> URL:
    from yarl import URL

    if re.search(r"[\x00-\x1f\x7f]", url):
        raise BadTarget("the URL contains control characters")
    try:
        origin, rest = split_url(url.strip())
        target = URL(origin)
        host, port = target.raw_host, target.port
    except BadDomain as error:
        raise BadTarget(f"the host {error}") from None
    except ValueError:
        raise BadTarget("this is not a URL; write it as https://host/path") from None
    if target.scheme not in ("http", "https") or not host or not port or re.search(r"\s", host):
        raise BadTarget("the URL must be http:// or https:// with a host")
    if target.raw_user is not None or target.raw_password is not None:
        raise BadTarget("the URL carries a user name or password; put them in a header")
    return URL(f"{target.origin()}{rest}", encoded=True)


_kept_url = lru_cache(maxsize=1024)(_read_url)


def shown_url(target: URL) -> str:
    """Return the URL as people and records see it: without query, fragment and user information."""
    return f"{target.scheme}://{target.host_port_subcomponent}{target.raw_path}"


class HttpClient:
    """The guarded client.  Use it as an async context manager; without requests it costs nothing.

    It follows no redirects, uses no proxy, keeps no cookies and does not decompress.  It checks the real address of
    every connection right before it connects, so DNS or an unusual notation of an address cannot circumvent the check.
    """

    def __init__(self, settings: ExecutorSettings | None = None) -> None:
        settings = settings or ExecutorSettings()
        allowed = settings.allow_private_addresses
        self._allow_all = allowed is True
        self._allowed = frozenset(map(_pair, allowed)) if isinstance(allowed, frozenset) else frozenset()
        self._seconds = settings.action_timeout_seconds
        # Two pools: a workflow's request must never reuse the connection of a trusted one.
        self._sessions: dict[bool, ClientSession] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._sessions.clear()
        await self._stack.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_seconds: float | None = None,
        trusted: bool = False,
    ) -> HttpResponse:
        """Make one request and return its response, whatever its status.

        `trusted` is for addresses from the operator's settings: they may be private.  The caller has validated the
        headers.  After the status line the response counts, even if the body breaks off.
        Errors: `BadTarget`, `NotSent`, `MaybeSent`.
        """
        import aiohttp

        target = parse_url(url)
        seconds = self._seconds if timeout_seconds is None else timeout_seconds
        session = self._session(guarded=not (trusted or self._is_listed(target)))
        try:
            response = await session.request(
                method,
                target,
                headers=headers,
                data=_payload(body),
                allow_redirects=False,
                # Connecting gets less time than the whole request, so its timeout is always recognised as such.
                timeout=aiohttp.ClientTimeout(total=seconds, connect=min(CONNECT_SECONDS, seconds / 2)),
                middlewares=() if method == "POST" else (_send_once,),
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _unreachable(target, error) from error
        except (aiohttp.InvalidURL, UnicodeError):  # an IP address in odd notation, a name that no DNS can hold
            raise BadTarget(f"{shown_url(target)}: not a valid host name or address") from None
        except (aiohttp.ClientError, OSError) as error:
            what = "no reply in time" if isinstance(error, TimeoutError) else "the connection broke before a reply"
            raise MaybeSent(f"{shown_url(target)}: {what}; the request may have arrived") from error
        return await _read(response)

    def _session(self, *, guarded: bool) -> ClientSession:
        if (session := self._sessions.get(guarded)) is not None:
            return session
        import aiohttp

        connector = aiohttp.TCPConnector(
            limit=0,  # the engine bounds what is in flight
            keepalive_timeout=IDLE_SECONDS,
            socket_factory=self._guarded_socket if guarded else None,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            read_bufsize=MAX_RESPONSE_BYTES // 2,  # aiohttp stops reading at twice this
            max_field_size=8190,
            max_headers=128,
        )
        self._stack.push_async_callback(session.close)
        self._sessions[guarded] = session
        return session

    def _is_listed(self, target: URL) -> bool:
        if self._allow_all or not self._allowed:
            return self._allow_all
        return _pair(f"{target.host_subcomponent}:{target.port}") in self._allowed

    def _guarded_socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """Called by aiohttp with each address it is about to connect to."""
        family, kind, protocol, _, (host, port, *_) = addr_info
        written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not is_public(host) and written not in self._allowed:
            raise _PrivateAddress
        return socket.socket(family, kind, protocol)


def _pair(written: str) -> str:
    """Return a pair of `allow_private_addresses`, `host:port`, as a URL's host and port are compared with it."""
    host, _, port = written.rpartition(":")
    return f"{ascii_domain(host).rstrip('.')}:{port}"


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """Return the body for aiohttp: a large one in pieces, so that other requests continue meanwhile."""
    return io.BytesIO(body) if len(body) > LARGE_BYTES else body or None


async def _send_once(request: Any, handler: Any) -> ClientResponse:
    """Keep aiohttp from repeating GET, PUT and DELETE: a second failure would hide whether the first request left."""
    import aiohttp

    try:
        response: ClientResponse = await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientError("broken") from error
    return response


def _unreachable(target: URL, error: Exception) -> HttpError:
    import aiohttp

    where = shown_url(target)
    cause = getattr(error, "os_error", error.__cause__)
    if isinstance(cause, _PrivateAddress):
        return BadTarget(f"{where}: a private address, which workflows may not reach", "private_address")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotSent(f"{where}: no connection in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NotSent(f"{where}: the host name was not found")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return NotSent(f"{where}: no trusted TLS connection; check the receiver's certificate")
    return NotSent(f"{where}: the connection was refused or the host is unreachable")


async def _read(response: ClientResponse) -> HttpResponse:
    import aiohttp

    body = bytearray()
    try:
        while len(body) < MAX_RESPONSE_BYTES and (chunk := await response.content.read(MAX_RESPONSE_BYTES - len(body))):
            body += chunk
        whole = response.content.at_eof()
    except (aiohttp.ClientError, OSError):
        whole = False
    finally:
        response.close()  # drops the connection when the body was not read to its end
    return HttpResponse(status=response.status, headers=response.headers, body=bytes(body), truncated=not whole)
