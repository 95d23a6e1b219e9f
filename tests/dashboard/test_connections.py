"""Clients that hold connections: half a request, half a body, an answer that they do not read.  Others are served."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from minutehand.dashboard import connections
from minutehand.dashboard.connections import Connections
from minutehand.dashboard.server import Server, listen
from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.dashboard.served import Serve, completed
from tests.journeys.app import App, wait_until

HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
WHOLE = HALF + b"\r\n"
CLOSING = b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#: Soft limit of open files of the server, in the test of the limit.
OPEN_FILES = 256


# --- a limit of open files ---


@contextmanager
def open_files(soft: int) -> Iterator[None]:
    """Give the processes that the block starts this limit of open files."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def hold(address: tuple[str, int], count: int, stop: threading.Event) -> None:
    """Keep so many half requests open: one that is closed is replaced."""
    held: list[socket.socket] = []
    while not stop.wait(0.05):
        for half in held[:]:
            try:
                if half.recv(1, socket.MSG_DONTWAIT) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                half.close()
                held.remove(half)
        for _ in range(count - len(held)):
            try:
                held.append(socket.create_connection(address, timeout=1))
                held[-1].sendall(HALF)
            except OSError:
                break
    for half in held:
        half.close()


def test_half_requests_beyond_the_limit_of_open_files_stop_neither_sends_nor_answers(
    app: App, shop: HttpReceiver, serve: Serve
) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        with open_files(OPEN_FILES):
            served = stack.enter_context(serve("--with-worker", "--poll-seconds", "0.5"))
        attack = threading.Thread(target=hold, args=(served.address, OPEN_FILES + 30, stop))
        attack.start()
        try:
            # The server has closed some, to make room.
            wait_until(lambda: served.get("/healthz").status_code == 200, "an answer")
            completed(app, shop, 3)
            wait_until(lambda: len(shop.requests) == 3, "the sends")
            for _ in range(10):
                with httpx.Client(timeout=60) as client:  # a new connection
                    assert client.get(f"{served.url}/healthz").status_code == 200
        finally:
            stop.set()
            attack.join()
        code, _, log = served.running.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False), log
    assert {row["status"] for row in app.executions()} == {"completed"}


def test_a_form_that_breaks_off_is_no_crash(serve: Serve) -> None:
    with serve() as running:
        for length in (100, 10):
            with socket.create_connection(running.address) as client:
                client.sendall(
                    b"POST /executions/action HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\nid=" % length
                )
        assert running.get("/healthz").status_code == 200
        code, _, log = running.running.end(signal.SIGTERM)
    assert (code, "request_crashed" in log) == (0, False), log


# --- one connection ---


@asynccontextmanager
async def bounded_server(limit: int = 100, **seconds: float) -> AsyncIterator[tuple[str, int]]:
    """Run a server with these bounds; gives its address."""
    gate, both = asyncio.Event(), asyncio.Barrier(3)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("fine")

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    async def slow(request: Request) -> Response:
        await asyncio.sleep(3 * seconds.get("request_seconds", 0.1))
        return PlainTextResponse("late")

    async def large(request: Request) -> Response:
        return Response(b"x" * 64 * 1024 * 1024)

    async def held(request: Request) -> Response:
        await both.wait()
        await gate.wait()
        return PlainTextResponse("held")

    async def release(request: Request) -> Response:
        await both.wait()  # until two are held
        gate.set()
        return PlainTextResponse("released")

    routes = [Route(f"/{handler.__name__}", handler, methods=["GET", "POST"])
              for handler in (healthz, echo, slow, large, held, release)]  # fmt: skip
    listener = listen("127.0.0.1", 0)
    running = Server(Starlette(routes=routes), grace_seconds=1, connections=Connections(limit, **seconds))
    task = asyncio.ensure_future(running.serve([listener]))
    try:
        yield listener.getsockname()[:2]
    finally:
        running.stop()
        await task


async def answer(address: tuple[str, int], *parts: bytes, pause: float = 0.0) -> bytes:
    """Send these parts, and return all that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection(*address)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(pause)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", HALF, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "letter", "headers", "body"],
)
def test_a_request_that_does_not_arrive_is_closed(sent: bytes) -> None:
    async def go() -> None:
        async with bounded_server(request_seconds=1.0) as address:
            assert b" 200 " not in await answer(address, sent)
            assert (await answer(address, WHOLE + sent)).count(b" 200 ") == 1, "the second of a connection, too"

    asyncio.run(go())


def test_a_request_that_trickles_in_is_closed() -> None:
    async def go() -> None:
        async with bounded_server(request_seconds=0.3) as address:
            assert await answer(address, *[WHOLE[i : i + 1] for i in range(20)], pause=0.1) == b""

    asyncio.run(go())


def test_an_answer_may_take_longer_than_its_request() -> None:
    async def go() -> None:
        async with bounded_server(request_seconds=1.0) as address:
            said = await answer(address, CLOSING % b"slow")
            assert said.endswith(b"late")
            two = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + CLOSING % b"slow"
            assert (await answer(address, two)).count(b"late") == 2, "the second was sent before the first was answered"

    asyncio.run(go())


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async def go() -> None:
        async with bounded_server(stalled_seconds=0.3) as address:
            with socket.create_connection(address) as client:
                client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                await asyncio.sleep(5)  # long after it is given up, also on a busy machine
                client.setblocking(False)
                size = 0
                while chunk := await asyncio.get_running_loop().sock_recv(client, 1024 * 1024):
                    size += len(chunk)
                assert size < 64 * 1024 * 1024

    async def reads_slowly() -> None:
        async with bounded_server(stalled_seconds=5.0) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(CLOSING % b"large")
            size = 0
            while chunk := await reader.read(8 * 1024 * 1024):
                size += len(chunk)
                await asyncio.sleep(0.01)
            writer.close()
            assert size > 64 * 1024 * 1024

    asyncio.run(go())
    asyncio.run(reads_slowly())


def test_a_new_connection_takes_the_place_of_one_that_waits_and_never_of_one_that_is_answered() -> None:
    async def go() -> None:
        async with bounded_server(limit=3) as address:
            half = asyncio.ensure_future(answer(address, HALF))
            await answer(address, CLOSING % b"healthz")  # the half request is there
            held = [asyncio.ensure_future(answer(address, CLOSING % b"held")) for _ in range(2)]
            await answer(address, CLOSING % b"healthz")
            last = await answer(address, CLOSING % b"release")
            assert last.endswith(b"released")
            assert [said.endswith(b"held") for said in await asyncio.gather(*held)] == [True, True]
            assert await half == b""

    asyncio.run(go())


def test_half_of_the_open_files_are_for_connections() -> None:
    with open_files(100):
        assert (connections.max_connections(), connections.max_accepts()) == (50, 6)
    assert connections.max_connections() <= connections.MAX_CONNECTIONS
