"""Reads one HTTP/1.1 response from the bytes of a connection, within bounds (RFC 9112).  It touches no socket.

    reader.feed(data) … -> True: the response is complete, or cut; `reader.response` is it
    reader.end(…)       -> the same for a connection that ended

Once there is a status, the response counts: what is wrong with its body cuts the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from minutehand.executor.http.response import HttpResponse

#: Bytes of a response's body that are kept; the rest is not read.
MAX_BODY_BYTES = 64 * 1024
#: Bytes of a response's head, and of one of its lines, and how many headers it may have.
MAX_HEAD_BYTES, MAX_LINE_BYTES, MAX_HEADERS = 64 * 1024, 8190, 128
#: How many interim responses (1xx) may come before the response.
MAX_INTERIM = 16

_STATUS = re.compile(r"HTTP/1\.([01]) ([0-9]{3})(?: .*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: RFC 9112 §2.2: a line may end without CR.
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class BadResponse(Exception):
    """What came is no HTTP/1.1 response."""


class Headers(Mapping[str, str]):
    """The headers of a response: names are case-insensitive, the first of several of one name counts."""

    __slots__ = ("_first", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._first: dict[str, str] = {}
        for name, value in pairs:
            self._first.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return self._first[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def tokens(self, name: str) -> list[str]:
        """Return the elements of all headers of this name, a comma-separated list, in lower case."""
        if name not in self._first:
            return []
        values = (value for one, value in self._pairs if one.lower() == name)
        return [token.strip().lower() for value in values for token in value.split(",")]


class ResponseReader:
    """Reads one response."""

    def __init__(self) -> None:
        #: What came and is not read yet; in it was no end of the head before `_searched`.
        self._data = b""
        self._searched = 0
        self._interim = 0
        self._status = 0
        self._headers: Headers | None = None
        self._body = bytearray()
        self._is_chunked = False
        #: Bytes of the body, or of its chunk, that are missing; None: it ends with the connection.
        self._left: int | None = 0
        #: What the next line of a chunked body is.
        self._line = "size"
        self._trailers = 0
        #: The connection may carry another request when this response is complete.
        self.is_reusable = False
        self.response: HttpResponse | None = None

    def feed(self, data: bytes) -> bool:
        """Read what came; True: `response` is there.  Errors: `BadResponse`."""
        if self.response is not None:  # nobody asked for more
            self.is_reusable = False
            return True
        self._data = self._data + data if self._data else data
        if self._headers is None and not self._read_head():
            return False
        return self._read_chunks() if self._is_chunked else self._read_plain()

    def end(self, *, clean: bool) -> bool:
        """Read the end of the connection, or of patience; `clean`: the other side closed it in order."""
        if self._headers is None or self.response is not None:
            return self.response is not None
        return self._finish(truncated=not clean or self._is_chunked or self._left is not None)

    def _read_head(self) -> bool:
        while (found := _HEAD_END.search(self._data, max(0, self._searched - 3))) is not None:
            head, self._data, self._searched = self._data[: found.start()], self._data[found.end() :], 0
            is_1_1, status, headers = _parse_head(head)
            if status >= 200 or status == 101:  # nobody asked for another protocol: it is the response
                self._headers, self._status = headers, status
                self._begin_body(headers, status, is_1_1=is_1_1)
                return True
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise BadResponse("too many interim responses")
        self._searched = len(self._data)
        if self._searched > MAX_HEAD_BYTES:
            raise BadResponse("the head is too long")
        return False

    def _begin_body(self, headers: Headers, status: int, *, is_1_1: bool) -> None:
        """Find out where the body ends (RFC 9112 §6.3), and whether the connection may be used again (§9.3)."""
        options = headers.tokens("connection")
        self.is_reusable = status != 101 and ("close" not in options if is_1_1 else "keep-alive" in options)
        lengths = set(headers.tokens("content-length"))
        if status in (101, 204, 304):
            return
        if codings := headers.tokens("transfer-encoding"):
            self._is_chunked = codings[-1] == "chunked"
            self._left = 0 if self._is_chunked else None
            self.is_reusable = self.is_reusable and self._is_chunked and not lengths
        elif not lengths:
            self._left = None
        elif len(lengths) == 1 and _LENGTH.fullmatch(length := lengths.pop()):
            self._left = int(length)
        else:
            self._left = -1

    def _read_plain(self) -> bool:
        data, self._data = self._data, b""
        if self._left is None:
            return self._keep(data)
        if self._left < 0:  # nobody knows where it ends
            return self._finish(truncated=True)
        if len(data) > self._left:  # more than was announced
            self.is_reusable, data = False, data[: self._left]
        self._left -= len(data)
        return self._keep(data) or (self._left == 0 and self._finish(truncated=False))

    def _keep(self, data: bytes) -> bool:
        """Keep a part of the body; True: there is more than is kept, so that nothing more is read."""
        self._body += data
        if len(self._body) <= MAX_BODY_BYTES:
            return False
        del self._body[MAX_BODY_BYTES:]
        return self._finish(truncated=True)

    def _read_chunks(self) -> bool:
        data, at = self._data, 0
        while True:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if self._keep(piece):
                    return True
                if self._left:
                    self._data = b""
                    return False
            end = data.find(b"\n", at)
            if end < 0 or end - at > MAX_LINE_BYTES:
                self._data = data[at:]
                return len(self._data) > MAX_LINE_BYTES and self._finish(truncated=True)
            line = data[at:end].removesuffix(b"\r")
            at = end + 1
            if (is_whole := self._read_line(line)) is not None:
                self.is_reusable = self.is_reusable and at == len(data)
                return self._finish(truncated=not is_whole)

    def _read_line(self, line: bytes) -> bool | None:
        """Read a line of a chunked body: True: it was the last one, False: it should not be there; None: go on."""
        if self._line == "size":
            size = _CHUNK.fullmatch(line)
            if size is None:
                return False
            self._left = int(size[1], 16)
            self._line = "end of chunk" if self._left else "trailer"
        elif self._line == "end of chunk":
            if line:
                return False
            self._line = "size"
        else:
            self._trailers += 1
            return True if not line else (None if self._trailers <= MAX_HEADERS else False)
        return None

    def _finish(self, *, truncated: bool) -> bool:
        assert self._headers is not None
        self.is_reusable = self.is_reusable and not truncated and self._left == 0
        self.response = HttpResponse(
            status=self._status, headers=self._headers, body=bytes(self._body), truncated=truncated
        )
        return True


def _parse_head(head: bytes) -> tuple[bool, int, Headers]:
    """Return whether a response is HTTP/1.1, its status and its headers.  Errors: `BadResponse`."""
    first, *lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    status = _STATUS.fullmatch(first)
    if status is None or len(first) > MAX_LINE_BYTES or len(lines) > MAX_HEADERS:
        raise BadResponse("not the head of a response")
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and pairs:  # RFC 9112 §5.2
            name, before = pairs.pop()
            value = f"{before} {line.strip()}"
        else:
            name, _, value = line.partition(":")
        if not _NAME.fullmatch(name) or "\r" in value or "\0" in value or len(name) + len(value) > MAX_LINE_BYTES:
            raise BadResponse("not a header")
        pairs.append((name, value.strip(" \t")))
    return status[1] == "1", int(status[2]), Headers(pairs)
