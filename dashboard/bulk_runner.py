"""Doing something to all that match: counted first, spread over time, to be watched and to be stopped.

It runs in this process.  Nothing has to be undone when it ends early: what it did not come to is as it was.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from minutehand.store import Json, Store
from minutehand.store.errors import BadRequest, StoreError

#: Executions of one call.
BITE = 100
#: So many that have ended are remembered.
_KEPT = 50
#: So many may run at once: each asks the database for itself.
AT_ONCE = 10

Verb = Callable[[Store, list[str]], Awaitable[list[Json]]]


@dataclass(slots=True, kw_only=True)
class Bulk:
    """One of them."""

    id: str
    what: str
    by: str
    filter: Json
    total: int
    spread_seconds: float
    #: What it takes to do it, and to stop it.
    permission: str
    #: Whose it is; None: one who sees all.
    tenant: str | None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    done: int = 0
    refused: int = 0
    ended: str = ""
    task: asyncio.Task[None] | None = None

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return 1.0 if not self.total else min(1.0, (self.done + self.refused) / self.total)


class Bulks:
    """Those that run and those that ran, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: OrderedDict[str, Bulk] = OrderedDict()

    def begin(self, verb: Verb, **said: object) -> Bulk:
        """Begin one; it goes on by itself.  Errors: `BadRequest` when too many run."""
        if sum(not other.ended for other in self._all.values()) >= AT_ONCE:
            raise BadRequest(f"{AT_ONCE} such actions run already; wait for one, or stop one")
        bulk = Bulk(id=secrets.token_urlsafe(9), **said)  # type: ignore[arg-type]
        self._all[bulk.id] = bulk
        while len(self._all) > _KEPT and next(iter(self._all.values())).ended:
            self._all.popitem(last=False)
        bulk.task = asyncio.ensure_future(self._run(bulk, verb))
        return bulk

    def get(self, id_: str) -> Bulk | None:
        """Return one by its id."""
        return self._all.get(id_)

    def stop(self) -> None:
        """Stop all of them: the server ends."""
        for bulk in self._all.values():
            if bulk.task is not None and not bulk.ended:
                bulk.task.cancel()

    async def _run(self, bulk: Bulk, verb: Verb) -> None:
        before: list[str] | None = None
        bite = BITE if bulk.spread_seconds < 1 else max(1, min(BITE, math.ceil(bulk.total / bulk.spread_seconds)))
        pause = bulk.spread_seconds * bite / max(bulk.total, 1)
        try:
            while bulk.done + bulk.refused < bulk.total:
                found = await self._store.search(bulk.filter, limit=bite, before=before)
                if ids := [row["id"] for row in found["rows"]]:
                    answers = await verb(self._store, ids)
                    refused = sum(answer["answer"] in ("refused", "missing") for answer in answers)
                    bulk.done += len(answers) - refused
                    bulk.refused += refused
                before = found["next"]
                if before is None:
                    break
                if bulk.done + bulk.refused < bulk.total:
                    await asyncio.sleep(pause if ids else 0)
            bulk.ended = "done"
        except asyncio.CancelledError:
            bulk.ended = "stopped"
        except StoreError as error:
            bulk.ended = f"given up: {error}"
        finally:
            bulk.ended = bulk.ended or "given up"  # also after a bug of ours, which the loop tells
