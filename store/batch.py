"""Batch small requests: those made at the same time travel in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from minutehand.store.errors import StoreError

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Batch(Generic[Ask, Answer]):
    """Collects requests, sends them as one list, and gives each caller its own result.

    While one list is on its way the next one collects, so the load sets its size: the request of one lane leaves at
    once, those of a hundred lanes leave together.  `key_of_ask` and `key_of_answer` pair requests with results.  An
    error that one of the requests may have caused is its own: each is made again, alone (R18).  Any other error goes to
    every caller of that list.
    """

    def __init__(
        self,
        call: Callable[[list[Ask]], Awaitable[list[Answer]]],
        *,
        key_of_ask: Callable[[Ask], str],
        key_of_answer: Callable[[Answer], str],
        max_size: int = 200,
        linger_seconds: float = 0,
    ) -> None:
        self._call = call
        self._key_of_ask = key_of_ask
        self._key_of_answer = key_of_answer
        self._max_size = max_size
        #: How long the first request waits for others; 0: until the next iteration of the event loop.
        self._linger_seconds = linger_seconds
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        #: Requests that are made alone: together they failed by the error of one.
        self._apart: set[asyncio.Task[None]] = set()
        self._flushing: asyncio.Task[None] | None = None

    def ask(self, ask: Ask) -> asyncio.Future[Answer]:
        """Add a request to the next list; await the future for its result."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.ensure_future(self._flush())
        return future

    async def drain(self) -> None:
        """Wait until every request so far has its result."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.shield(self._flushing)
        if self._apart:
            await asyncio.wait(self._apart)

    async def _flush(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._linger_seconds)
            batch, self._waiting = self._waiting[: self._max_size], self._waiting[self._max_size :]
            await self._send(batch)

    async def _send(self, batch: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        try:
            await self._make(batch)
        except BaseException as error:  # passed to each caller
            if isinstance(error, StoreError) and error.is_of_item and len(batch) > 1:
                for one in batch:  # beside the next lists: one of them may wait for a lock
                    task = asyncio.ensure_future(self._send([one]))
                    self._apart.add(task)
                    task.add_done_callback(self._apart.discard)
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise

    async def _make(self, batch: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        answers = {self._key_of_answer(answer): answer for answer in await self._call([ask for ask, _ in batch])}
        for ask, future in batch:
            key = self._key_of_ask(ask)
            if future.done():
                continue
            if key in answers:
                future.set_result(answers[key])
            else:
                future.set_exception(KeyError(f"no answer for {key}"))
