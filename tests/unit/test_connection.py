"""Connections of the guarded client: when one is used again, which address it leads to, and what large bodies do."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minutehand.executor.http import client, connection
from minutehand.executor.http.client import BadTarget, HttpClient, MaybeSent, NotSent
from minutehand.executor.settings import ExecutorSettings

OPEN = ExecutorSettings(allow_private_addresses=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#: Talks with one connection: it reads a request's head with `readuntil`.
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def serve(
    talk: Talk,
    use: Callable[[HttpClient, str], Awaitable[None]],
    settings: ExecutorSettings | Callable[[int], ExecutorSettings] = OPEN,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Run `use` with a client and the URL of a server; give the number of its connections."""
    connections = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def go() -> None:
        server = await asyncio.start_server(counted, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        chosen = settings(port) if callable(settings) else settings
        async with server, HttpClient(chosen) as http:
            await asyncio.wait_for(use(http, f"{'https' if tls else 'http'}://127.0.0.1:{port}"), 30)

    asyncio.run(go())
    return connections


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        writer.write(OK)


async def closed(http: HttpClient) -> None:
    """Wait until no connection is open, for 10 s at most."""
    for _ in range(2000):
        if not any(one.is_open for kept in http._idle.values() for one in kept):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("still open")


def test_a_response_nobody_asked_for_is_never_taken_for_the_next_one() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.write(b"HTTP/1.1 404 Planted\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def use(http: HttpClient, url: str) -> None:
        for _ in range(3):
            assert (await http.request("POST", url)).status == 200
            await closed(http)

    assert serve(talk, use) == 3


def test_a_connection_that_the_receiver_closed_is_not_used_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def use(http: HttpClient, url: str) -> None:
        for _ in range(3):
            assert (await http.request("POST", url)).status == 200
            await closed(http)

    assert serve(talk, use) == 3


def test_a_connection_that_was_idle_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.05)
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answers(reader, writer)
        finally:
            ended.set()

    async def use(http: HttpClient, url: str) -> None:
        await http.request("POST", url)
        await ended.wait()
        assert not http._idle
        await http.request("POST", url)

    assert serve(talk, use) == 2


def test_requests_at_the_same_time_have_connections_of_their_own_which_are_kept() -> None:
    async def use(http: HttpClient, url: str) -> None:
        for _ in range(3):
            replies = await asyncio.gather(*(http.request("POST", url, body=b"x") for _ in range(5)))
            assert {reply.status for reply in replies} == {200}

    assert serve(answers, use) == 5


@pytest.mark.parametrize("size", [connection.LARGE_BYTES, connection.LARGE_BYTES + 1, 5_000_000])
def test_a_large_body_arrives_byte_by_byte(size: int) -> None:
    body, arrived = bytes(range(256)) * (size // 256) + b"x" * (size % 256), []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.append(await reader.readexactly(size))
        writer.write(OK)

    async def use(http: HttpClient, url: str) -> None:
        assert (await http.request("POST", url, body=body)).body == b"ok"

    serve(talk, use)
    assert arrived == [body]


def test_an_answer_before_the_body_was_read_counts_and_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"content-length: 5000000" not in head:
            writer.write(OK)
        else:
            writer.write(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(5)

    async def use(http: HttpClient, url: str) -> None:
        assert (await http.request("POST", url, body=bytes(5_000_000))).status == 413
        assert (await http.request("POST", url)).status == 200

    assert serve(talk, use) == 2


def test_a_receiver_that_takes_nothing_of_a_large_body_leaves_it_unknown() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def use(http: HttpClient, url: str) -> None:
        with pytest.raises(MaybeSent, match="no reply in time"):
            await http.request("POST", url, body=bytes(5_000_000), timeout_seconds=0.5)

    serve(talk, use)


def test_a_body_that_does_not_end_in_time_is_cut() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.sleep(5)

    async def use(http: HttpClient, url: str) -> None:
        reply = await http.request("POST", url, timeout_seconds=0.5)
        assert (reply.status, reply.body, reply.truncated) == (200, b"half", True)

    serve(talk, use)


def test_who_stops_waiting_closes_the_connection() -> None:
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        left.set()

    async def use(http: HttpClient, url: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(http.request("POST", url), 0.2)
        await left.wait()
        assert not http._idle

    serve(talk, use)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_that_would_begin_another_one_never_leaves(value: str) -> None:
    async def use(http: HttpClient, url: str) -> None:
        with pytest.raises(ValueError, match="line break"):
            await http.request("POST", url, headers={"x-mine": value})

    assert serve(answers, use) == 0


def test_a_caller_may_set_the_headers_that_are_there_by_default() -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[2:-2])
            writer.write(OK)

    async def use(http: HttpClient, url: str) -> None:
        await http.request("GET", url)
        await http.request("DELETE", url)
        await http.request("PUT", url, body=b"x", headers={"User-Agent": "mine", "Accept": "text/csv"})

    serve(talk, use)
    usual = ["user-agent: minutehand", "accept: */*", "accept-encoding: identity"]
    assert heads == [
        usual,
        [*usual, "content-length: 0"],
        ["accept-encoding: identity", "User-Agent: mine", "Accept: text/csv", "content-type: application/octet-stream",
         "content-length: 1"],
    ]  # fmt: skip


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[str]:
    """Let every name lead to these addresses; gives the names that are looked up."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[connection.Address]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_is_looked_up_once_for_all_who_ask_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve_to(monkeypatch, "127.0.0.1")

    async def use(http: HttpClient, url: str) -> None:
        there = url.replace("127.0.0.1", "shop.example")
        await asyncio.gather(*(http.request("POST", there) for _ in range(20)))

    assert serve(answers, use) == 20
    assert asked.count("shop.example") == 1


def test_of_a_names_addresses_only_those_are_connected_to_that_a_workflow_may_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "127.0.0.1", "169.254.169.254")
    reached = []
    plain = connection._socket

    async def noted(loop: asyncio.AbstractEventLoop, address: connection.Address) -> socket.socket:
        reached.append(address[4][0])
        return await plain(loop, address)

    monkeypatch.setattr(connection, "_socket", noted)

    async def use(http: HttpClient, url: str) -> None:
        assert (await http.request("POST", url.replace("127.0.0.1", "shop.example"))).status == 200

    def listed(port: int) -> ExecutorSettings:
        return ExecutorSettings(allow_private_addresses=frozenset({f"127.0.0.1:{port}"}))

    assert serve(answers, use, listed) == 1
    assert reached == ["127.0.0.1"]


def test_a_name_that_leads_inside_later_is_refused_for_each_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(port: int) -> ExecutorSettings:
        return ExecutorSettings(allow_private_addresses=frozenset({f"127.0.0.1:{port}"}))

    async def use(http: HttpClient, url: str) -> None:
        there = url.replace("127.0.0.1", "shop.example")
        resolve_to(monkeypatch, "127.0.0.1")
        assert (await http.request("POST", there)).status == 200
        http._close_idle()
        resolve_to(monkeypatch, "10.0.0.1")
        monkeypatch.setattr(client, "NAME_SECONDS", 0.0)
        http._names.clear()
        assert (await http.request("POST", there)).status == 200  # over the connection that was checked
        await asyncio.gather(http.request("POST", there), _refused(http, there))

    serve(answers, use, listed)


async def _refused(http: HttpClient, url: str) -> None:
    with pytest.raises(BadTarget, match="private address"):
        await http.request("POST", url)


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = connection._socket

    async def stubborn(loop: asyncio.AbstractEventLoop, address: connection.Address) -> socket.socket:
        if address[4][0] == "127.0.0.2":
            await asyncio.sleep(20)
        if address[4][0] == "127.0.0.3":
            raise ConnectionRefusedError
        return await plain(loop, address)

    monkeypatch.setattr(connection, "_socket", stubborn)

    async def use(http: HttpClient, url: str) -> None:
        for name, hosts in {
            "slow.example": ["127.0.0.2", "127.0.0.1"],
            "shut.example": ["127.0.0.3", "127.0.0.1"],
        }.items():
            resolve_to(monkeypatch, *hosts)
            assert (await http.request("POST", url.replace("127.0.0.1", name))).status == 200
        resolve_to(monkeypatch, "127.0.0.3", "127.0.0.3")
        with pytest.raises(NotSent, match="refused"):
            await http.request("POST", url.replace("127.0.0.1", "none.example"))

    assert serve(answers, use) == 2


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's TLS context for 127.0.0.1, whose certificate is trusted in this test alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    connection._tls.cache_clear()
    yield context
    connection._tls.cache_clear()


def test_tls_connections_are_kept_and_carry_large_bodies(certificate: ssl.SSLContext) -> None:
    async def use(http: HttpClient, url: str) -> None:
        for body in (b"", b"x", bytes(3_000_000), b"x"):
            assert (await http.request("POST", url, body=body)).body == b"ok"

    assert serve(answers, use, tls=certificate) == 1


def test_a_certificate_for_another_name_is_not_trusted(certificate: ssl.SSLContext) -> None:
    arrived: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read())

    async def use(http: HttpClient, url: str) -> None:
        with pytest.raises(NotSent, match="no trusted TLS connection"):
            await http.request("POST", url.replace("127.0.0.1", "localhost"))

    serve(talk, use, tls=certificate)
    assert not any(arrived)
