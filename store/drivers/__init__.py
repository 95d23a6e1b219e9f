"""Drivers: how a call reaches the database.  One for each backend, with one method that matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol


class Driver(Protocol):
    """The connection of one backend to the database."""

    #: Its name in summaries: `postgres`, `supabase` or `embedded`.
    backend: str
    #: Where the database is, for people: host, port and database, a project's host, or a folder; no credentials.
    location: str
    #: The Supabase project that the address names; None if it names none.
    project: str | None
    #: How long a settle waits for others to share its round trip, where that costs more than the wait.
    linger_seconds: float

    @property
    def kind(self) -> str:
        """The kind of connection: `direct`, `session` or `transaction` (a pooler), or `rest`.

        The first call tests whether there is a transaction pooler, and `can_listen` whether it is a session pooler.
        """
        ...

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """Call `public.<function>` with named arguments and return its parsed jsonb.  Errors: `StoreError`."""
        ...

    async def can_listen(self) -> bool:
        """Test with a notification whether NOTIFY arrives; otherwise a worker polls.  Errors: `StoreError`."""
        ...

    def hints(self) -> AsyncIterator[None]:
        """Yield once when listening has begun, then for each NOTIFY, until the connection breaks (R12).

        Errors: `StoreError`.  Where `can_listen` is false, nothing arrives.
        """
        ...

    async def close(self) -> None:
        """Close the connections.  Safe to call twice."""
        ...
