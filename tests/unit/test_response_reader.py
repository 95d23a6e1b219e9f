"""Reading an HTTP/1.1 response: however its bytes are cut into pieces, and whatever a receiver sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.executor.http.response import HttpResponse
from minutehand.executor.http.response_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_INTERIM,
    MAX_LINE_BYTES,
    BadResponse,
    ResponseReader,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, ends: bool = False) -> tuple[HttpResponse, bool]:
    """Give the response, and whether the connection can be used again; with `ends`, the receiver closes it."""
    reader = ResponseReader()
    complete = [reader.feed(piece) for piece in pieces][-1]
    assert complete or (ends and reader.end(clean=True))
    assert reader.response is not None
    return reader.response, reader.is_reusable


@pytest.mark.parametrize(
    ("sent", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 201 x\r\nContent-Length: 0\r\n\r\n",
         201, b"", True),
        (CHUNKED + b"2\r\nok\r\nA;x=y\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n", 200, b"ok0123456789", True),
        (CHUNKED + b"2\nok\n0\n\n", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK", 200, b"ok", False),
        (CHUNKED + b"0\r\n\r\nmore", 200, b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok",
         False),
    ],
)  # fmt: skip
def test_a_whole_response(sent: bytes, status: int, body: bytes, reusable: bool) -> None:
    response, is_reusable = read(sent)
    assert (response.status, response.body, response.truncated, is_reusable) == (status, body, False, reusable)
    once_more, is_reusable = read(*(sent[at : at + 1] for at in range(len(sent))))
    assert (once_more.body, once_more.truncated, is_reusable) == (body, False, reusable)
    assert dict(once_more.headers) == dict(response.headers)


@pytest.mark.parametrize(
    ("sent", "body", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nto the end", b"to the end", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"half", False),
        (CHUNKED + b"9\r\nhalf", b"half", False),
        (CHUNKED + b"2\r\nok\r\n", b"ok", False),
        (CHUNKED + b"2\r\nok\r\n0\r\n", b"ok", False),
    ],
)
def test_a_connection_that_ends(sent: bytes, body: bytes, whole: bool) -> None:
    response, is_reusable = read(sent, ends=True)
    assert (response.body, response.truncated, is_reusable) == (body, not whole, False)
    reader = ResponseReader()
    reader.feed(sent)
    assert reader.end(clean=False)  # reset, or time is up
    assert reader.response is not None
    assert reader.response.truncated


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
        CHUNKED + b"-2\r\nok\r\n",
        CHUNKED + b"2\r\nokok\r\n0\r\n\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"1" * 20 + b"\r\n",
        CHUNKED + b"1;" + b"x" * (MAX_LINE_BYTES + 1),
        CHUNKED + b"0\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1),
    ],
)
def test_a_status_stands_though_its_body_cannot_be_read(sent: bytes) -> None:
    response, is_reusable = read(sent)
    assert (response.status, response.truncated, is_reusable) == (200, True, False)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_no_more_of_a_body_is_read_than_is_kept(head: bytes) -> None:
    response, is_reusable = read(head + b"x" * (MAX_BODY_BYTES + 1))
    assert (len(response.body), response.truncated, is_reusable) == (MAX_BODY_BYTES, True, False)
    response, _ = read(CHUNKED + b"FFFFFF\r\n" + b"x" * (MAX_BODY_BYTES + 1))
    assert (len(response.body), response.truncated) == (MAX_BODY_BYTES, True)
    response, is_reusable = read(CHUNKED + b"10000\r\n" + b"x" * MAX_BODY_BYTES + b"\r\n0\r\n\r\n")
    assert (len(response.body), response.truncated, is_reusable) == (MAX_BODY_BYTES, False, True)


@pytest.mark.parametrize(
    "sent",
    [
        b"220 mail.example.com ESMTP\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\n\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBlank : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * MAX_LINE_BYTES + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"b" * MAX_LINE_BYTES + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_what_is_no_response_is_refused(sent: bytes) -> None:
    with pytest.raises(BadResponse):
        ResponseReader().feed(sent)


def test_headers_are_found_in_any_spelling_and_the_first_counts() -> None:
    response, _ = read(b"HTTP/1.1 204 x\r\nX-Id: 7\r\nx-id: 8\r\nLong: a\r\n  b\r\nZo\xc3\xab: 1".replace(
        b"Zo\xc3\xab: 1", "Name:  Zoë \t".encode()) + b"\r\n\r\n")  # fmt: skip
    assert (response.headers["X-ID"], response.headers.get("x-id"), response.headers.get("none")) == ("7", "7", None)
    assert (response.headers["long"], response.headers["name"]) == ("a b", "Zoë")
    assert "LONG" in response.headers
    assert list(response.headers) == ["x-id", "long", "name"]


def test_another_protocol_is_not_spoken() -> None:
    response, is_reusable = read(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
    assert (response.status, is_reusable) == (101, False)


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_pieces_change_nothing(chunks: list[bytes], data: st.DataObject) -> None:
    body = b"".join(chunks)
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\n\r\n"
    for sent in (CHUNKED + coded, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)):
        cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=8)))
        response, is_reusable = read(*(sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)))
        assert (response.body, response.truncated, is_reusable) == (body, False, True)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(rubbish: bytes) -> None:
    for begin in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED):
        reader = ResponseReader()
        try:
            if not reader.feed(begin + rubbish):
                reader.end(clean=True)
        except BadResponse:
            assert reader.response is None
