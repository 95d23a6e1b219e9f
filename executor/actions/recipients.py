"""The recipient of a step without `to`: the client of the row, and never anyone else (R14)."""

from __future__ import annotations

from typing import Any


class NoRecipient(Exception):
    """There is no recipient; the message says why."""


def client_of(context: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row that templates see as `client`, else as `customer`."""
    found = (context.get(name) for name in ("client", "customer"))
    return next((row for row in found if isinstance(row, dict) and row), None)


def of_client(context: dict[str, Any], column: str, what: str) -> str:
    """Return the client's address in `column`.  Errors: `NoRecipient`.

    >>> of_client({"customer": {"phone": "+1 202 555 0123"}}, "phone", "phone number")
    '+1 202 555 0123'
    """
    client = client_of(context)
    if client is None:
        raise NoRecipient("the row has no client, and the step has no `to`")
    value = client.get(column)
    found = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not found:
        raise NoRecipient(f"the client has no {what}")
    return found


#: Keys of messages that are not supported yet -> why, for `Action.refused`.
ATTACHED = dict.fromkeys(
    (
        *("attachments", "attachment", "attachment_url", "attachmentUrl", "attachment_urls", "attachmentUrls", "files"),
        *("media_url", "mediaUrl", "media_urls", "mediaUrls", "media"),
    ),
    "is not supported yet: put a link to the file into the message",
)
SENDERS = ("from", "from_email", "fromEmail", "from_address", "fromAddress", "from_name", "fromName", "sender")
