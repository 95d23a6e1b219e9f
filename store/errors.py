"""The errors of the store.  An error's class decides what happens (R18).

StoreError               one item's own: its table, its lock, its value.  It alone waits or ends; its neighbours go on
├── Unreachable          away: no answer, restarting, overloaded.  Repeated; no process ends (exit 69)
├── BadConfiguration     a setting or the database itself must be changed first (exit 78)
│   ├── AccessDenied     wrong password, missing role or missing grant
│   │   └── MissingRight   the role may not call a function of ours
│   ├── SchemaMismatch   the database's schema is older or newer than this program
│   └── EmbeddedUnavailable  the embedded PostgreSQL cannot be started here
├── BadRequest           the database refused the request, and says why (exit 2)
│   └── NotFound         no such workflow, execution or table
└── Conflict             a lock or a serialization failure; repeated for a moment

A database that accepted calls before and then refuses them is `Unreachable` for a minute (store/repeat.py).
Every message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minutehand.store.json import Unwritable


class StoreError(Exception):
    """Base class of the store's errors.

    `passing`: something answered, did not do the work, and may accept the same call in a moment.
    `retry_after_seconds`: it asked to be left alone for so long.
    """

    #: What an execution says that this error put off: a code, and a reason that names no host (None: the message).
    code = "database_error"
    reason: str | None = None
    #: Whether it is the error of one item of a call; else the whole call could not be made.
    is_of_item = True

    def __init__(self, message: str, *, passing: bool = False, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after_seconds = retry_after_seconds


class Unreachable(StoreError):
    """The database did not answer, or the connection broke; the same call may be repeated."""

    code = "database_unreachable"
    reason = "the database did not answer"
    is_of_item = False


class BadConfiguration(StoreError):
    """A setting or the database itself must be changed first; repeating the call does not help."""

    code = "database_refused"
    reason = "the database refused the call; the processor's log says why"
    is_of_item = False


class AccessDenied(BadConfiguration):
    """Wrong password, missing role or missing grant."""


class MissingRight(AccessDenied):
    """The role may not call a function of ours.  One that it never called will not be granted by waiting."""


class SchemaMismatch(BadConfiguration):
    """The database's schema is older or newer than this program."""


class EmbeddedUnavailable(BadConfiguration):
    """The embedded PostgreSQL cannot be started here."""


class BadRequest(StoreError):
    """The database refused the request, and says why."""


def at(place: str, error: StoreError) -> StoreError:
    """Return an error of the whole call with the name of its database before it; an error of one item as it is."""
    return error if error.is_of_item else type(error)(f"{place}: {error}", passing=error.passing)


def unwritable(error: Unwritable) -> BadRequest:
    """Return what the store says of an argument that JSON or PostgreSQL cannot hold; nothing was sent."""
    return BadRequest(f"nothing was sent to the database: {str(error).removeprefix('p_')}")


class NotFound(BadRequest):
    """No such workflow, execution or table."""


class Conflict(StoreError):
    """A lock or a serialization failure; the same call may be repeated."""

    code = "database_busy"


#: It answers, and will accept calls in a moment: starting or stopping, no place for a connection, or a session of a
#: pooler that has another client's prepared statements.
_PASSING = ("53300", "57P01", "57P02", "57P03", "57P05", "26000", "42P05")


def from_sqlstate(sqlstate: str | None, message: str, hint: str | None = None) -> StoreError:
    """Map a SQLSTATE to an error; the only such map, for every backend.

    `sqlstate` is five characters (PostgreSQL, appendix A), or None when the connection itself failed.  What is wrong
    with a table of the app's stays within SQL, so class 42 here means our own tables and functions.
    """
    text = f"{message}. {hint}" if hint else message
    if sqlstate is None or sqlstate[:2] in ("08", "53", "58") or sqlstate in (*_PASSING, "25006"):
        return Unreachable(text, passing=sqlstate in _PASSING)  # 25006: a primary that has become a standby
    if sqlstate == "MH404":
        return NotFound(text)
    if sqlstate[:2] == "MH":
        return BadRequest(text)
    if sqlstate == "42501" and "row-level security" in message:
        return AccessDenied(f"{text}. minutehand doctor prints the statement that mends it.")
    if sqlstate in ("28P01", "28000", "42501"):
        return AccessDenied(text)
    if sqlstate[:2] == "42" or sqlstate == "3F000":
        return SchemaMismatch(f"{message}. The database does not have this program's schema: run `minutehand migrate`.")
    if sqlstate == "3D000":
        return BadConfiguration(f"{message}. Check the database name in DATABASE_URL.")
    if sqlstate[:2] == "40" or sqlstate in ("55P03", "57014"):
        return Conflict(text)
    return BadRequest(text)
