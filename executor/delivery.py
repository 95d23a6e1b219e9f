"""What the reservation of a send is told about its time: its window, its recipient's zone, and when it loses its sense.

sql/internal/windows.sql decides by it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from minutehand.executor.actions.recipients import client_of
from minutehand.executor.dialects.windows import TO_PEOPLE
from minutehand.store import Json

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import Message
    from minutehand.executor.step_view import StepView

#: Columns of a client that hold a time zone, in this order.
ZONE_COLUMNS = ("timezone", "time_zone", "timeZone", "tz")


def delivery_of(run: StepView, message: Message) -> Json | None:
    """Return {"window", "zone", "drop_at", "drop_after"} of a message, without what is not known; None: nothing is.

    Errors: `RenderError`.
    """
    delivery = dict(run.step.delivery)
    window = delivery.get("window")
    drop_after = delivery.get("drop_after") or (window.get("drop_after") if isinstance(window, dict) else None)
    if isinstance(drop_after, str) and ("{{" in drop_after or "{%" in drop_after):
        delivery.pop("drop_after", None)
        delivery["drop_at"] = run.render(drop_after)
    if message.channel in TO_PEOPLE and (zone := _zone(run, message, window)):
        delivery["zone"] = zone
    return delivery or None


def _zone(run: StepView, message: Message, window: Any) -> str | None:
    """Return the recipient's zone: its client's column, else its phone number's where that has only one."""
    client = client_of(run.context) if _is_to_client(run, message) else None
    for column in ZONE_COLUMNS:
        if client is not None and isinstance(client.get(column), str) and (zone := client[column].strip()):
            return str(zone)
    if not isinstance(window, dict) or window.get("zone") not in (None, "recipient", "customer_local"):
        return None  # phonenumbers costs a cold run much
    phone = message.recipient if message.channel == "sms" else None if client is None else client.get("phone")
    return None if phone is None else zone_of_phone(str(phone), run.settings.phone_region, run.now)


def _is_to_client(run: StepView, message: Message) -> bool:
    if run.step.config.get("to") is None:
        return True
    client = client_of(run.context) or {}
    if message.channel == "email":
        email = str(client.get("email") or "").strip().lower()
        return email != "" and email in message.recipient.lower().split(", ")
    digits = "".join(c for c in str(client.get("phone") or "") if c.isdigit())
    return len(digits) >= 7 and message.recipient.endswith(digits)


def zone_of_phone(phone: str, region: str | None, now: datetime) -> str | None:
    """Return the zone of a phone number; None where it may be in several that are not alike for the coming week.

    >>> from datetime import UTC
    >>> at = datetime(2026, 3, 1, tzinfo=UTC)
    >>> [zone_of_phone(phone, None, at) for phone in ("+1 416 555 0123", "+49 151 12345678", "+61 412 345 678")]
    ['America/Toronto', 'Europe/Berlin', None]
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    import phonenumbers
    from phonenumbers import timezone

    from minutehand.executor.sms.phone_numbers import BadNumber, BadRegion, to_e164

    try:
        names = timezone.time_zones_for_number(phonenumbers.parse(to_e164(phone, region)))
        zones = [ZoneInfo(name) for name in names]
    except (BadNumber, BadRegion, ZoneInfoNotFoundError):  # such as Etc/Unknown
        return None
    days = [now + timedelta(days=day) for day in range(8)]
    clocks = {tuple(day.astimezone(zone).utcoffset() for day in days) for zone in zones}
    return str(names[0]) if len(clocks) == 1 else None
