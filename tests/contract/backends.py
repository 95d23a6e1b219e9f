"""One database over one backend, for tests that every driver must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from minutehand.store import Claim, Store
from minutehand.store.drivers import Driver
from tests.contract.checked_store import checked
from tests.journeys.app import App
from tests.servers import CLAIM, Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backend:
    """The app's database, and a way to open a store over one backend."""

    app: App
    open: Callable[[], Store]

    @property
    def database(self) -> Database:
        """Its owner's own connection."""
        return self.app.database

    def run(self, verb: Callable[[Store], Awaitable[T]]) -> T:
        """Open a store, run this with it, and close it."""

        async def go() -> T:
            store = checked(self.open())
            try:
                return await verb(store)
            finally:
                await store.close()

        return asyncio.run(go())

    def claim(self, limit: int = 10, **more: Any) -> Claim:
        """Claim what is due."""
        return self.run(lambda store: store.claim(limit, **CLAIM | more))


class CountingDriver:
    """A driver that records the function of each call: over REST each is a request."""

    def __init__(self, driver: Driver) -> None:
        self.backend, self.location, self.project = driver.backend, driver.location, driver.project
        self.linger_seconds = driver.linger_seconds
        self.calls: list[str] = []
        self._driver = driver

    @property
    def kind(self) -> str:
        """See `Driver.kind`."""
        return self._driver.kind

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """See `Driver.call`."""
        self.calls.append(function.removeprefix("automation_"))
        return await self._driver.call(function, **arguments)

    async def can_listen(self) -> bool:
        """See `Driver.can_listen`."""
        return await self._driver.can_listen()

    def hints(self) -> AsyncIterator[None]:
        """See `Driver.hints`."""
        return self._driver.hints()

    async def close(self) -> None:
        """See `Driver.close`."""
        await self._driver.close()
