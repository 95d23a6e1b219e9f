"""Notifies people of incidents: when one opens, every hour while it lasts, and when it recovers.

The database decides what is an incident, what of it is due to be sent, and which processor sends it
(sql/internal/incidents.sql): any number of processors send one message.  A target that does not answer delays a tick by
the time limit at most; the message is sent again later.
"""

from __future__ import annotations

import asyncio
import uuid

from minutehand.executor.log import structlog
from minutehand.scheduler.alerts.messages import message
from minutehand.scheduler.config import AlertSettings
from minutehand.store import Store
from minutehand.store.errors import StoreError

#: The time limit of one notification; a tick waits no longer for it.
NOTIFY_SECONDS = 10.0
#: Between two checks of a process that runs no executions.
CHECK_SECONDS = 60.0

log = structlog.get_logger()


class Notifier:
    """Sends incidents to the targets of MINUTEHAND_ALERT_URLS."""

    def __init__(self, store: Store, settings: AlertSettings) -> None:
        self._store = store
        self._urls = settings.targets
        self._share = settings.share
        self._age_seconds = int(settings.age_seconds)
        #: Why the last notification failed; None: it did not.
        self.problem: str | None = None

    async def notify(self) -> int:
        """Check for incidents and send those that are due; returns how many were sent.  Errors: none."""
        try:
            return await self.check()
        except StoreError as error:
            self._fail(str(error))
        return 0

    async def check(self) -> int:
        """Do what `notify` does, for a person who waits for it.  Errors: `StoreError`: nothing is known then."""
        self.problem = None
        try:
            async with asyncio.timeout(NOTIFY_SECONDS):
                return await self._notify()
        except TimeoutError:
            self._fail(f"the targets did not answer within {NOTIFY_SECONDS:g} s")
        return 0

    def _fail(self, reason: str) -> None:
        self.problem = reason
        log.warning("alert_failed", reason=reason)

    async def notify_forever(self) -> None:
        """Notify every minute: `serve` notices that no processor is running."""
        while True:
            await self.notify()
            await asyncio.sleep(CHECK_SECONDS)

    async def _notify(self) -> int:
        token = str(uuid.uuid4())
        due = await self._store.alerts_claim(token, share=self._share, age_seconds=self._age_seconds)
        if not due or not self._urls:
            return 0
        from minutehand.executor.targets import send_to_all

        sent = await send_to_all(self._urls, *message(due))
        accepted = sum(sent.accepted)
        if accepted:  # sending it again to all because one target failed would be noise
            await self._store.alerts_notified(token, {incident["id"]: incident["what"] for incident in due})
        if accepted < len(self._urls):
            problem = f"URL number {sent.unknown[0]}: {sent.reason}" if sent.unknown else sent.reason
            self._fail(f"{accepted} of {len(self._urls)} targets accepted it: {problem}")
        return len(due) if accepted else 0
