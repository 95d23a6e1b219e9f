"""Turns: what is costly to render goes one at a time, tenant by tenant, and leaves the event loop to others (R17)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any

#: Characters of a step's templates from which a render is costly; fewer, without a loop, take a few milliseconds.
COSTLY_LENGTH = 5_000


def is_costly(config: Any) -> bool:
    """Say whether a step may take more than a few milliseconds to render.

    >>> [is_costly({"message": text}) for text in ("{{ client.name }}", "{% for x in job.parts %}", "{{ a }}" * 999)]
    [False, True, True]
    """
    return _template_length(config) > COSTLY_LENGTH


def _template_length(value: Any) -> int:
    if isinstance(value, str):
        return 0 if "{" not in value else COSTLY_LENGTH + 1 if "{%" in value else len(value)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0
    return sum(map(_template_length, value))


class Turns:
    """Lets one waiting task go on in each round of the event loop; tenants take turns."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._is_scheduled = False

    async def wait(self, tenant: str) -> None:
        """Wait for a turn.  What follows without an await belongs to it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._schedule()
        await turn

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._is_scheduled = False
        while self._waiting:
            tenant, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[tenant] = turns  # behind the others
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                break
        if self._waiting:
            self._schedule()
