"""Which database this is, for people: a copy, a restore, a copy for tests.  One text for commands, logs and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minutehand.store.records import Identity

#: States in which nothing runs until a person has said which database it is.
STOPPED = ("copy", "restored")
#: The executor that sends the messages of a test copy to the addresses of the test.
REDIRECTS = "local"
WHAT_TO_DO = "say which it is: minutehand resume --this-is-production, or: minutehand copy --test-mode"


def why_stopped(identity: Identity | None, executor: str = REDIRECTS) -> str | None:
    """Return why nothing runs on this database, and what to do; None: it runs.  `executor`: where steps run."""
    if identity is None:
        return None
    if identity["state"] in STOPPED:
        return f"{identity['reason']}. Nothing runs; {WHAT_TO_DO}"
    if identity["state"] == "test" and executor != REDIRECTS:
        what = f"the executor {executor} cannot redirect messages: use --executor local"
        return f"{identity['reason']}. Nothing runs; {what}"
    return None


def notice(identity: Identity | None) -> str | None:
    """Return what there is to say about a database on which executions run; None: nothing."""
    if identity is None or identity["state"] not in ("test", "moved"):
        return None
    if identity["state"] == "moved":
        return f"{identity['reason']}; to end this notice: minutehand resume --this-is-production"
    return identity["reason"]
