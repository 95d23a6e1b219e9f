"""A web server and a mail server on 127.0.0.1, for the demo and the tests.  They keep what they receive.

with HttpReceiver() as shop, SmtpReceiver() as post:
    shop.then(Answer(status=429, headers={"Retry-After": "7"}))   # the next request; later ones get 200
    post.then(Trouble(at="RCPT", reply="550 no such user"))       # the next connection
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
import threading
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self, TypeVar, cast

_T = TypeVar("_T")

#: An answer that waits for its release is sent after this long anyway.
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    #: The client's port: equal for requests over one connection.
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one HTTP request is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    #: The answer waits until this is set.
    after: threading.Event | None = None
    #: Close the connection instead of answering.
    hang_up: bool = False
    #: Announce this many bytes more than are sent, then close.
    missing_bytes: int = 0


class HttpReceiver:
    """An HTTP/1.1 server with keep-alive.  `requests` are the requests received, in order."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        #: Append-only, so that any thread may read it.
        self.requests: list[Request] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = _HttpServer(("127.0.0.1", 0), _HttpTalk)
        self._server.receiver = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in tuple(self._open):
            _hang_up(connection)
        self._server.server_close()

    def then(self, *answers: Answer) -> None:
        """Answer the next requests like this, and later ones with 200."""
        self.answers.extend(answers)

    def _take(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.answers.popleft() if self.answers else Answer()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: HttpReceiver


class _HttpTalk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet

    def setup(self) -> None:
        self.receiver = cast(_HttpServer, self.server).receiver
        self.receiver._open.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.receiver._open.discard(self.request)
        with suppress(OSError):  # the client has left
            super().finish()

    def _answer(self) -> None:
        request = Request(
            method=self.command,
            path=self.path,
            headers={name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers},
            body=self.rfile.read(int(self.headers.get("content-length") or 0)),
            port=self.client_address[1],
        )
        answer = self.receiver._take(request)
        if answer.after:
            answer.after.wait(LONGEST_WAIT_SECONDS)
        self.close_connection = answer.hang_up or answer.missing_bytes > 0
        if answer.hang_up:
            return _hang_up(self.connection)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + answer.missing_bytes))
        self.end_headers()
        try:
            self.wfile.write(answer.body)
            self.wfile.flush()
        except OSError:  # the client has read enough
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # already closed
        connection.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message as it was received."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    content: bytes
    #: The user that logged in, if one did.
    user: str | None
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error in one SMTP connection."""

    #: The command that fails; `CONTENT` is the end of the message.
    at: Literal["MAIL", "RCPT", "DATA", "CONTENT"]
    #: The server's reply; empty: it closes the connection.
    reply: str = ""
    #: Only for this recipient (with `RCPT`).
    recipient: str | None = None
    #: The reply waits until this is set.
    after: threading.Event | None = None


class SmtpReceiver:
    """An SMTP server (needs the extra `demo`).  `messages` are the messages accepted, in order.

    With `password` it accepts mail only after a login with it.  With `tls` it offers STARTTLS, or, with `smtps` too,
    uses TLS from the first byte.
    """

    def __init__(self, *, password: str | None = None, tls: ssl.SSLContext | None = None, smtps: bool = False) -> None:
        self.password = password
        self.tls = tls
        self.smtps = smtps
        self.troubles: deque[tuple[Trouble, ...]] = deque()
        self.connections = 0
        #: Append-only, so that any thread may read it.
        self.messages: list[Mail] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._await(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"smtp{'s' if self.smtps else ''}://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def then(self, *troubles: Trouble) -> None:
        """Let these errors happen in the next connection; call it again for the one after that."""
        self.troubles.append(troubles)

    async def _take(self, mail: Mail) -> str:
        self.messages.append(mail)
        return f"250 2.0.0 Ok: queued as {len(self.messages):06X}"

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LONGEST_WAIT_SECONDS)

    async def _listen(self) -> asyncio.Server:
        from aiosmtpd.smtp import SMTP, AuthResult

        def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> Any:
            right = login.password.decode() == self.password
            return AuthResult(success=right, handled=False, auth_data=login.login.decode())

        class Talk(SMTP):
            async def smtp_DATA(self, arg: str) -> None:
                if (reply := await self.event_handler.trouble_at("DATA", self)) is None:
                    await super().smtp_DATA(arg)
                elif reply:
                    await self.push(reply)

        def talk() -> Any:
            return Talk(
                _SmtpHandler(self, self.troubles.popleft() if self.troubles else ()),
                hostname="localhost",
                loop=self._loop,
                tls_context=None if self.smtps else self.tls,
                authenticator=check if self.password else None,
                auth_require_tls=False,
            )

        return await self._loop.create_server(talk, "127.0.0.1", 0, ssl=self.tls if self.smtps else None)

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _SmtpHandler:
    """The handler of one connection, as aiosmtpd calls it."""

    def __init__(self, receiver: SmtpReceiver, troubles: tuple[Trouble, ...]) -> None:
        self._receiver = receiver
        self._troubles = troubles
        receiver.connections += 1

    async def trouble_at(self, place: str, server: Any, recipient: str | None = None) -> str | None:
        """Return the configured reply for this command (empty: close the connection), or None."""
        here = (it for it in self._troubles if it.at == place and it.recipient in (None, recipient))
        if (trouble := next(here, None)) is None:
            return None
        if trouble.after:
            await asyncio.to_thread(trouble.after.wait, LONGEST_WAIT_SECONDS)
        if not trouble.reply:
            server.transport.abort()
        return trouble.reply

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self._receiver.password and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (reply := await self.trouble_at("MAIL", server)) is not None:
            return reply
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if (reply := await self.trouble_at("RCPT", server, address)) is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if (reply := await self.trouble_at("CONTENT", server)) is not None:
            return reply
        mail = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            message=email.message_from_bytes(envelope.content, policy=email.policy.default),
            content=envelope.content,
            user=session.auth_data,
            encrypted=server.transport.get_extra_info("sslcontext") is not None,
        )
        return await self._receiver._take(mail)
