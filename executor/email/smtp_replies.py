"""What a refusal by a mail server means: who is asked to wait, and whether for good.

The first digit does not say it: 452 may be a full mailbox, greylisting or a limit of ours, and Gmail refuses the day's
quota with 550.  The reply's words decide first, then its enhanced status (RFC 3463, RFC 7504), then the status alone.
"""

from __future__ import annotations

import re
from enum import StrEnum

#: Delay of a greylisted message whose reply names none: most servers accept it after a minute to five.
GREYLIST_SECONDS = 60.0
#: The longest delay that is taken from a reply's words.
MAX_NAMED_SECONDS = 3600.0


class Refusal(StrEnum):
    """Why a mail server did not accept a message or a recipient."""

    SLOW_DOWN = "slow down"
    """It asks us to send less, or has no room for anybody: all that goes there waits, and no attempt is spent."""
    LATER = "later"
    """Greylisting and its like: it wants this message again later.  This message waits, and no attempt is spent."""
    QUOTA = "quota"
    """Our quota of the hour or the day is used up: as SLOW_DOWN."""
    CREDITS = "credits"
    """Our quota of the month is used up: a person decides."""
    FAULT = "fault"
    """It failed for now, for a reason that is not our pace: a full mailbox, DNS, a fault of the server."""
    REFUSED = "refused"
    """For good."""


_GREYLIST = re.compile(r"gr[ea]y-?\s?list|postgrey|retry in \d+|try again in \d+|come back in \d+", re.I)
_RECIPIENT = re.compile(r"mailbox (is |was )?(full|over)|over ?quota|recipient.{0,20}quota", re.I)
_MONTH = re.compile(r"month", re.I)
_LIMIT = re.compile(r"quota|limit|exceed|maximum|too many", re.I)
_DAY = re.compile(r"\bdaily\b|\bhourly\b|(per|a|of the|in (a|one)|this|24) ?-?(day|hour)|24h\b", re.I)
_SLOW = re.compile(
    r"too many|too (fast|frequent|quick)|rate.{0,12}(limit|exceed|control)|(limit|exceed)\w*.{0,30}\brate\b|throttl"
    r"|slow(ing)? down|unusual rate|at a rate|sending (rate|limit)|concurren|server (is )?(too )?busy|overload"
    r"|(connections?|logins?|sessions?).{0,30}(limit|exceed|maximum)"
    r"|(limit|exceed|maximum)\w*.{0,40}(connections?|logins?|sessions?)|temporarily (deferred|rate)|load average",
    re.I,
)
#: Enhanced status -> refusal, of replies whose words say no more.
_ENHANCED = {
    "4.2.0": Refusal.FAULT,  # another state of the mailbox
    "4.2.1": Refusal.FAULT,  # the mailbox is disabled
    "4.2.2": Refusal.FAULT,  # the mailbox is full: only the recipient can change that
    "4.3.1": Refusal.SLOW_DOWN,  # the server's disk is full
    "4.3.2": Refusal.SLOW_DOWN,  # it accepts no messages now: maintenance, or too many connections (Exchange)
    "4.4.5": Refusal.SLOW_DOWN,  # congestion
    "4.5.3": Refusal.LATER,  # too many recipients in one message: the others go later
    "4.7.1": Refusal.LATER,  # policy, "come later": how Postfix, Exchange and rspamd greylist
    "4.7.28": Refusal.SLOW_DOWN,  # Gmail: an unusual rate
}
#: Status -> refusal, without an enhanced status or with one that is not in the table.
_STATUS = {
    421: Refusal.SLOW_DOWN,  # "not available, closing": a server sheds its load so (RFC 5321 §4.2.1)
    432: Refusal.SLOW_DOWN,  # Exchange: concurrent connections
    452: Refusal.SLOW_DOWN,  # insufficient system storage (RFC 5321 §4.2.3)
}
_ENHANCED_STATUS = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")
_DELAY = re.compile(r"(?:in|after|for|wait) (\d{1,5})\s*(s\b|sec|min|hour)", re.I)


def refusal_of(status: int, text: str) -> Refusal:
    """Return what a 4xx or 5xx reply means.

    >>> refusal_of(450, "4.2.0 Greylisted, see http://postgrey.example").value
    'later'
    >>> refusal_of(452, "4.2.2 The recipient's mailbox is full").value
    'fault'
    >>> refusal_of(550, "5.4.5 Daily user sending limit exceeded").value
    'quota'
    """
    is_limit = bool(_LIMIT.search(text)) and not _RECIPIENT.search(text)
    if is_limit and _MONTH.search(text):
        return Refusal.CREDITS
    if is_limit and _DAY.search(text) and (status < 500 or "quota" in text.lower() or "sending" in text.lower()):
        return Refusal.QUOTA
    if status >= 500:
        return Refusal.REFUSED
    if _RECIPIENT.search(text):
        return Refusal.FAULT
    if _GREYLIST.search(text):
        return Refusal.LATER
    if _SLOW.search(text):
        enhanced = _ENHANCED_STATUS.search(text)
        return Refusal.LATER if enhanced and enhanced[1] in ("4.2.1", "4.5.3") else Refusal.SLOW_DOWN
    enhanced = _ENHANCED_STATUS.search(text)
    if enhanced is not None:
        return _ENHANCED.get(enhanced[1], Refusal.FAULT)
    return _STATUS.get(status, Refusal.FAULT)


def named_delay_seconds(text: str) -> float | None:
    """Return the delay that a reply's words ask for, an hour at most; None: they name none.

    >>> named_delay_seconds("450 4.2.0 Greylisted, try again in 5 minutes"), named_delay_seconds("451 later")
    (300.0, None)
    """
    found = _DELAY.search(text)
    if found is None:
        return None
    unit = {"s": 1, "m": 60, "h": 3600}[found[2][0].lower()]
    return min(float(found[1]) * unit, MAX_NAMED_SECONDS)
