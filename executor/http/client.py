"""The guarded HTTP client, for all outbound HTTP.

HttpError                  carries the verdict; no message contains a URL's query or user information
├── BadTarget              permanent: not an http(s) URL, or an address that workflows may not reach
├── NotSent                retry: no name, no connection, no TLS; nothing left
└── MaybeSent              unknown: it failed after the request may have left (R13)

The protocol is in response_reader.py and connection.py: a library would cost each request and each start several times
as much (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from minutehand.executor.http.connection import Address, Connection, NoResponse, connect
from minutehand.executor.http.ip_ranges import is_public
from minutehand.executor.http.response import HttpResponse, judge_response, retry_after_seconds
from minutehand.executor.http.response_reader import MAX_BODY_BYTES as MAX_RESPONSE_BYTES
from minutehand.executor.http.url import split_url
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.text.domains import BadDomain, ascii_domain

if TYPE_CHECKING:
    from yarl import URL

__all__ = [
    "MAX_RESPONSE_BYTES",
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
#: Headers of every request, unless the caller sets them.  Nothing is decompressed.
_DEFAULTS = (("user-agent", USER_AGENT), ("accept", "*/*"), ("accept-encoding", "identity"))
#: Seconds a connection may idle before it is dropped: below the 5 s of Node and uvicorn, so that a request seldom
#: meets a connection that its server is closing (its result would be unknown).
IDLE_SECONDS = 4.0
#: Seconds to find and connect to a receiver, TLS included; half of the request's time when that is shorter.
CONNECT_SECONDS = 10.0
#: Seconds for which the addresses of a name are kept, and of how many names.
NAME_SECONDS, MAX_NAMES = 10.0, 1000
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

    It follows no redirects, uses no proxy, keeps no cookies, does not decompress, and makes no request twice.  It
    checks the real address of every connection right before it connects, so DNS or an unusual notation of an address
    cannot circumvent the check.
    """

    def __init__(self, settings: ExecutorSettings | None = None) -> None:
        settings = settings or ExecutorSettings()
        allowed = settings.allow_private_addresses
        self._allow_all = allowed is True
        self._allowed = frozenset(map(_pair, allowed)) if isinstance(allowed, frozenset) else frozenset()
        self._seconds = settings.action_timeout_seconds
        #: Connections that carry no request, the latest last.  A workflow's request must never use one that was opened
        #: without the check of its address, so that is a part of the key.
        self._idle: dict[_Place, list[Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        #: The addresses of names, or the search for them; and until when they are used, on the loop's clock.
        self._names: dict[tuple[str, int], tuple[asyncio.Future[list[Address]], float]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connection in [one for kept in self._idle.values() for one in kept]:
            connection.close()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()
        await asyncio.sleep(0)  # their sockets are closed by the next iteration

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
        target = parse_url(url)
        head = _head(method, target, headers or {}, len(body))
        seconds = self._seconds if timeout_seconds is None else timeout_seconds
        place = (not (trusted or self._is_listed(target)), target.scheme, str(target.raw_host), int(target.port or 0))
        connection = self._kept(place)
        if connection is None:
            clock = asyncio.get_running_loop().time
            began = clock()
            # Connecting gets less time than the whole request, so its timeout is always recognised as such.
            connection = await self._connect(target, place, min(CONNECT_SECONDS, seconds / 2))
            seconds -= clock() - began
        try:
            response = await connection.exchange(head, body, seconds)
        except TimeoutError as error:
            raise MaybeSent(f"{shown_url(target)}: no reply in time; the request may have arrived") from error
        except NoResponse as error:
            what = "the connection broke before a reply; the request may have arrived"
            raise MaybeSent(f"{shown_url(target)}: {what}") from error
        if connection.is_open:
            self._keep(place, connection)
        return response

    def _kept(self, place: _Place) -> Connection | None:
        """Return a connection to this place that carries no request, if there is one."""
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if connection.is_open and asyncio.get_running_loop().time() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    def _keep(self, place: _Place, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(place, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        """Close what has been idle for long."""
        loop = asyncio.get_running_loop()
        since = loop.time() - IDLE_SECONDS
        for place, idle in list(self._idle.items()):
            fresh = [one for one in idle if one.is_open and one.idle_since > since]
            for connection in set(idle).difference(fresh):
                connection.close()
            if fresh:
                idle[:] = fresh
            else:
                del self._idle[place]
        self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle) if self._idle else None

    async def _connect(self, target: URL, place: _Place, seconds: float) -> Connection:
        """Connect within so many seconds.  Errors: `BadTarget`, `NotSent`."""
        is_guarded, scheme, host, port = place
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._addresses(host, port)
                if is_guarded:
                    addresses = self._reachable(addresses)
                connection = await connect(addresses, tls_name=host.rstrip(".") if scheme == "https" else None)
        except UnicodeError:  # a name that no DNS can hold
            raise BadTarget(f"{shown_url(target)}: not a valid host name or address") from None
        except OSError as error:
            raise _unreachable(target, error) from error
        if not connection.is_open:
            raise NotSent(f"{shown_url(target)}: the receiver closed the connection before the request")
        return connection

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a name.  What many requests ask for at the same time is looked up once."""
        loop, key = asyncio.get_running_loop(), (host, port)
        known = self._names.get(key)
        if known is None or loop.time() >= known[1]:
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            found: asyncio.Future[Any] = asyncio.ensure_future(
                loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            )
            found.add_done_callback(lambda done: done.cancelled() or done.exception())
            known = self._names[key] = (found, loop.time() + NAME_SECONDS)
        try:
            return await asyncio.shield(known[0])
        except Exception:
            if self._names.get(key) is known:
                del self._names[key]
            raise

    def _reachable(self, addresses: list[Address]) -> list[Address]:
        """Return the addresses that a workflow may reach.  Errors: `_PrivateAddress` if there is none."""
        allowed = [one for one in addresses if is_public(one[4][0]) or _written(one) in self._allowed]
        if not allowed:
            raise _PrivateAddress
        return allowed

    def _is_listed(self, target: URL) -> bool:
        if self._allow_all or not self._allowed:
            return self._allow_all
        return _pair(f"{target.host_subcomponent}:{target.port}") in self._allowed


#: Where a connection leads: whether its address was checked, scheme, host, port.
_Place = tuple[bool, str, str, int]


def _pair(written: str) -> str:
    """Return a pair of `allow_private_addresses`, `host:port`, as a URL's host and port are compared with it."""
    host, _, port = written.rpartition(":")
    return f"{ascii_domain(host).rstrip('.')}:{port}"


def _written(address: Address) -> str:
    host, port, *_ = address[4]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _head(method: str, target: URL, headers: Mapping[str, str], length: int) -> bytes:
    """Return a request up to its body.  Errors: `ValueError` for a header that would end before its value does."""
    names = {name.lower() for name in headers}
    lines = [f"{method} {target.raw_path_qs} HTTP/1.1", f"host: {target.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in _DEFAULTS if name not in names]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length and "content-type" not in names:
        lines.append("content-type: application/octet-stream")
    if length or method != "GET":
        lines.append(f"content-length: {length}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ValueError("a header has a line break or a NUL character")
    return f"{text}\r\n\r\n".encode()


def _unreachable(target: URL, error: OSError) -> HttpError:
    from ssl import SSLError

    where = shown_url(target)
    if isinstance(error, _PrivateAddress):
        return BadTarget(f"{where}: a private address, which workflows may not reach", "private_address")
    if isinstance(error, TimeoutError):
        return NotSent(f"{where}: no connection in time")
    if isinstance(error, socket.gaierror):
        return NotSent(f"{where}: the host name was not found")
    if isinstance(error, SSLError):
        return NotSent(f"{where}: no trusted TLS connection; check the receiver's certificate")
    return NotSent(f"{where}: the connection was refused or the host is unreachable")
