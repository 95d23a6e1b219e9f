"""Batch small requests: those made at the same time travel in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Batch(Generic[Ask, Answer]):
    """Collects requests, sends them as one list, and gives each caller its own result.

    While one list is on its way the next one collects, so the load sets its size: the request of one lane leaves at
    once, those of a hundred lanes leave together.  `key_of_ask` and `key_of_answer` pair requests with results.  An
    error goes to every caller of that list.
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

    async def _flush(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._linger_seconds)
            batch, self._waiting = self._waiting[: self._max_size], self._waiting[self._max_size :]
            try:
                answers = {
                    self._key_of_answer(answer): answer for answer in await self._call([ask for ask, _ in batch])
                }
            except BaseException as error:  # passed to each caller below
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for ask, future in batch:
                key = self._key_of_ask(ask)
                if future.done():
                    continue
                if key in answers:
                    future.set_result(answers[key])
                else:
                    future.set_exception(KeyError(f"no answer for {key}"))
