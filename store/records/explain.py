"""Records of `Store.explain`."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class ExplainSubject(TypedDict):
    """What is asked about; `text` is as a person names it."""

    text: str
    table: NotRequired[str]
    #: Only what is newer, ISO 8601.
    since: NotRequired[str]
    #: Its name or id.
    workflow: NotRequired[str]
    #: Only what is of this tenant.
    tenant: NotRequired[str]


class ExplainedSubject(TypedDict):
    """What the subject turned out to be."""

    kind: str
    text: str
    table: str | None
    key: str | None


class ExplainLink(TypedDict):
    """One link of the chain from a change to a message.  `held` is null where it is not known."""

    name: str
    held: bool | None
    wanted: Any
    actual: Any
    detail: str
    #: Where the chain stops.
    code: NotRequired[str]


class ExplainAnswer(TypedDict):
    """One change and one workflow; without a workflow what is known of the row itself."""

    workflow: str | None
    workflow_id: str | None
    event_id: int | None
    occurred_at: str | None
    execution_id: str | None
    status: str | None
    fired: bool
    code: str | None
    reason: str | None
    links: list[ExplainLink]
    remedy: str | None


class Explanation(TypedDict):
    """All answers, and how much was left out."""

    now: str
    database: str
    subject: ExplainedSubject
    answers: list[ExplainAnswer]
    more: int
    more_changes: bool
    events_since: str | None
