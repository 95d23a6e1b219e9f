"""What is wrong is told once, again each hour while it lasts, and once more when it is over.

The database decides what is an incident, what of it is to be told, and who tells it (internal/incidents.sql), so any
number of processors are one.  A target that does not answer costs a tick nothing but its time limit, and is told later.
"""

from __future__ import annotations

import asyncio
import uuid

import structlog

from minutehand.scheduler.alerts.messages import message
from minutehand.scheduler.config import AlertSettings
from minutehand.store import Store
from minutehand.store.errors import StoreError

#: How long it may take; a tick waits no longer for it.
TELL_SECONDS = 10.0
#: Between two looks of who only looks.
LOOK_SECONDS = 60.0

log = structlog.get_logger()


class Alerts:
    """Tells the targets of MINUTEHAND_ALERT_URLS."""

    def __init__(self, store: Store, settings: AlertSettings) -> None:
        self._store = store
        self._urls = settings.targets
        self._share = settings.share
        self._age_seconds = int(settings.age_seconds)

    async def tell(self) -> int:
        """Look for trouble, and tell what is to be told; returns how many incidents that was.  Errors: none."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                return await self._tell()
        except StoreError as error:
            log.warning("alert_failed", reason=str(error))
        except TimeoutError:
            log.warning("alert_failed", reason=f"the targets did not answer within {TELL_SECONDS:g} s")
        return 0

    async def watch(self) -> None:
        """Look each minute, for ever: what is no processor sees that none is there."""
        while True:
            await self.tell()
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self) -> int:
        token = str(uuid.uuid4())
        due = await self._store.alerts_claim(token, share=self._share, age_seconds=self._age_seconds)
        if not due or not self._urls:
            return 0
        from minutehand.executor.targets import send_to_all

        sent = await send_to_all(self._urls, *message(due))
        taken = sum(sent.accepted)
        if taken:  # told to some is told: to all again would be noise
            await self._store.alerts_notified(token, {incident["id"]: incident["what"] for incident in due})
        if taken < len(self._urls):
            why = f"nothing serves URL number {sent.unknown[0]}" if sent.unknown else sent.reason
            log.warning("alert_failed", reason=f"{taken} of {len(self._urls)} targets accepted it: {why}")
        return len(due) if taken else 0
