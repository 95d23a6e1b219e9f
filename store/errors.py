"""What can go wrong at the door.

StoreError
├── Unreachable            the database did not answer, or the connection broke (exit 69)
├── BadConfiguration       what we were told cannot work as it stands (exit 78)
│   ├── AccessDenied       wrong password, missing role or missing grant
│   ├── SchemaMismatch     the database's schema is older or newer than this program
│   └── EmbeddedUnavailable  the embedded PostgreSQL cannot be started here
├── BadRequest             the database refused what was asked, and says why (exit 2)
│   └── NotFound           no such workflow, execution or table
└── Conflict               locked or serialised away; the same call may be repeated

Every message says what happened, where, and what to do next.
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything the door can raise."""


class Unreachable(StoreError):
    """The database did not answer, or the connection broke; the same call may be repeated."""


class BadConfiguration(StoreError):
    """What we were told cannot work as it stands; repeating it changes nothing."""


class AccessDenied(BadConfiguration):
    """Wrong password, missing role or missing grant."""


class SchemaMismatch(BadConfiguration):
    """The database's schema is older or newer than this program."""


class EmbeddedUnavailable(BadConfiguration):
    """The embedded PostgreSQL cannot be started here."""


class BadRequest(StoreError):
    """The database refused what was asked, and says why."""


class NotFound(BadRequest):
    """No such workflow, execution or table."""


class Conflict(StoreError):
    """Locked or serialised away; the same call may be repeated."""


def from_sqlstate(sqlstate: str | None, message: str, hint: str | None = None) -> StoreError:
    """Turn the database's own word into one of ours: the one map, for every backend.

    `sqlstate` is five characters (PostgreSQL, appendix A), or None when the connection itself failed.
    """
    text = f"{message}. {hint}" if hint else message
    if sqlstate is None or sqlstate[:2] in ("08", "53") or sqlstate in ("57P01", "57P02", "57P03", "25006"):
        return Unreachable(text)  # 25006: a primary that has become a standby
    if sqlstate == "MH404":
        return NotFound(text)
    if sqlstate[:2] == "MH":
        return BadRequest(text)
    if sqlstate in ("28P01", "28000", "42501"):
        return AccessDenied(text)
    if sqlstate in ("42883", "42P01", "3F000", "PGRST202", "PGRST205"):
        return SchemaMismatch(f"{message}. The database has not the schema of this program: run `minutehand migrate`.")
    if sqlstate == "3D000":
        return BadConfiguration(f"{message}. Check the database's name in DATABASE_URL.")
    if sqlstate[:2] == "40" or sqlstate in ("55P03", "57014"):
        return Conflict(text)
    return BadRequest(text)
