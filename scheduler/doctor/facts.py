"""The facts that the checks use: of the database, of this program and of its settings; gathered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from minutehand.executor.services import services_of
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.database import Database
from minutehand.store import Json, Store
from minutehand.store.errors import SchemaMismatch, StoreError
from minutehand.store.records import DoctorFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts about one database and one program."""

    database_name: str
    backend: str
    #: `direct`, `session`, `transaction` or `rest`.
    kind: str
    #: Whether a notification to oneself arrived.
    listens: bool
    #: The result of `automation_doctor`; None if the database has no such function.
    database: DoctorFacts | None = None
    #: Why there are no facts.
    refusal: str = ""
    #: How far the database's clock is ahead of this machine's.
    clock_seconds: float = 0.0
    #: Name and checksum of each migration of this program.
    migrations: dict[str, str] = field(default_factory=dict)
    #: Where steps run: `local`, or the name of another executor.
    executor: str = "local"
    #: What this program's own settings serve: `services_of`.
    services: Json = field(default_factory=dict)
    #: Why this program cannot send e-mails; empty if it can.
    email_problem: str = ""
    #: MINUTEHAND_WEBHOOK_SECRET, which signs webhooks.
    webhook_secret: str | None = field(default=None, repr=False)

    def section(self, name: str) -> Json:
        """Return the facts of one section."""
        sections: Mapping[str, Json] = dict[str, Any](self.database or {})
        return sections.get(name, {})

    @property
    def migrate(self) -> str:
        """The command that installs the schema.  A project's REST API cannot change tables."""
        if self.kind == "rest":
            return "minutehand migrate --print > supabase/migrations/$(date -u +%Y%m%d%H%M%S)_minutehand.sql"
        return "minutehand migrate"


async def gather(target: Database, run: RunSettings, executor: ExecutorSettings) -> Facts:
    """Collect the facts.  Errors: `StoreError`; a missing schema is a fact."""
    from minutehand.store import schema

    store = target.store
    database, refusal, ahead = await _ask(store, lambda: datetime.now(UTC))
    return Facts(
        database_name=target.name,
        backend=store.backend,
        listens=await _listens(store),  # which tells a session pooler from a transaction pooler
        kind=store.kind,
        database=database,
        refusal=refusal,
        clock_seconds=ahead,
        migrations={path.stem: schema.checksum(path) for path in schema.migrations()},
        executor=run.executor,
        services=services_of(executor, run.executor),
        email_problem=_email_problem(executor),
        webhook_secret=executor.webhook_secret,
    )


async def _listens(store: Store) -> bool:
    try:
        return await store.can_listen()
    except StoreError:
        return False


def _email_problem(executor: ExecutorSettings) -> str:
    from minutehand.executor.providers import NotConfigured
    from minutehand.executor.providers.factory import email_provider

    try:
        email_provider(executor)
    except NotConfigured as error:
        return str(error)
    return ""


async def _ask(store: Store, now: Callable[[], datetime]) -> tuple[DoctorFacts | None, str, float]:
    try:
        await store.schema_version()  # so that the round trip does not include opening the connection
        sent = now()
        facts = await store.doctor()
        received = now()
    except SchemaMismatch as error:
        return None, str(error), 0.0
    began, answered = (datetime.fromisoformat(facts[name]) for name in ("began", "answered"))
    return facts, "", clock_ahead(sent, began, answered, received)


def clock_ahead(sent: datetime, began: datetime, answered: datetime, received: datetime) -> float:
    """Return how many seconds the other clock is ahead, half of the round trip taken off (RFC 5905 §8).

    >>> at = lambda second: datetime(2030, 1, 1, 12, 0, second, tzinfo=UTC)
    >>> clock_ahead(at(0), at(11), at(13), at(4))
    10.0
    """
    return ((began - sent) + (answered - received)).total_seconds() / 2
