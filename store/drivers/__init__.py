"""How a call reaches the database: one method that matters, written once for each backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol


class Driver(Protocol):
    """One backend to the database."""

    #: What summaries call it: `postgres`, `supabase` or `embedded`.
    backend: str
    #: Where the database is, for people: host, port and database, or a project's host; no credentials.
    location: str
    #: What leads there: `direct`, `session` or `transaction` (a pooler), or `rest`.
    kind: str
    #: Whether a worker may LISTEN here; where not, it polls.
    can_listen: bool
    #: How long ends of executions wait for company, where a round trip costs more than the wait.
    linger_seconds: float

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """Call `public.<function>` by argument names and return its jsonb, parsed.  Errors: `StoreError`."""
        ...

    def hints(self) -> AsyncIterator[None]:
        """Yield once when it listens, then for each NOTIFY that something may be due, until it breaks (R12).

        Errors: `StoreError`, also where `can_listen` is false.
        """
        ...

    async def close(self) -> None:
        """Give the connections back.  Safe to call twice."""
        ...
