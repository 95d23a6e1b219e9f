"""One execution's way in time: what happened when, and a band on which its waits and its work are drawn to scale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from minutehand.dashboard.presentation.formatting import duration, parse_time, plural, seconds_between, without_time
from minutehand.store import Json

#: What a press is called afterwards.
_PRESSED = {
    "retry": "a person had it retried",
    "sent": "a person said that it had arrived",
    "resend": "a person had it sent again",
    "drop": "a person gave the send up",
    "release": "a person released it",
}
_WIDTH, _HEIGHT = 720, 16


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened."""

    at: datetime
    kind: str
    words: str
    detail: str = ""
    #: Seconds since the one before it.
    gap: float = 0.0

    @property
    def size(self) -> int:
        """How large its gap is drawn, 0 to 6: by order of magnitude, since seconds and days stand side by side."""
        return sum(self.gap >= border for border in (0.05, 1, 10, 60, 3600, 86_400))


def timeline(story: Json, *, with_recipients: bool) -> list[Moment]:
    """Return what is known of its way, in order, each with the time since the one before."""
    known = [*_origin(story), *_past(story["attempt_history"]), *_now(story), *_steps(story["steps"])]
    known += _sends(story, with_recipients)
    placed = sorted(
        ((at, number, kind, words, detail) for number, (when, kind, words, detail) in enumerate(known)
         if (at := parse_time(when)) is not None)
    )  # fmt: skip
    moments: list[Moment] = []
    for at, _, kind, words, detail in placed:
        gap = (at - moments[-1].at).total_seconds() if moments else 0.0
        moments.append(Moment(at, kind, words, detail, gap))
    return moments


_Known = list[tuple[str | None, str, str, str]]


def _origin(story: Json) -> _Known:
    event = story["event"]
    known: _Known = []
    if event:
        known.append((event["occurred_at"], "change", "the row changed", ""))
        known.append((event["matched_at"], "match", "the change met the workflow", ""))
    return [*known, (story["created_at"], "queue", "the execution was made", "")]


def _past(past: list[Json]) -> _Known:
    known: _Known = []
    for episode in past:
        known.append((episode.get("began"), "claim", *_began(episode.get("worker"), episode.get("attempt"))))
        said = ": ".join(part for part in (episode.get("code"), episode.get("reason")) if part)
        match episode["what"]:
            case "retry":
                known.append((episode["at"], "retry", "it did not work, and is tried again", said))
            case "wait":
                times = episode.get("times", 1)
                often = "" if times == 1 else f" ({plural(times, 'time')})"
                known.append((episode["at"], "wait", f"it was put off{often}", without_time(said)))
            case "lost":
                known.append((episode["at"], "lost", "its processor was given up", said))
            case _:
                known.append((episode["at"], "end", str(episode.get("status")), said))
                known.append((episode.get("due"), "press", _PRESSED.get(episode.get("by", ""), "it was revived"), ""))
    return known


def _now(story: Json) -> _Known:
    known: _Known = []
    claimed = story["claimed_at"] or story["started_at"]
    if claimed is not None and not any(
        parse_time(episode.get("began")) == parse_time(claimed) for episode in story["attempt_history"]
    ):
        known.append(
            (claimed, "claim", *_began(story["worker"], story["attempt"] if story["status"] == "processing" else 0))
        )
    if story["completed_at"]:
        said = ": ".join(part for part in (story["code"], story["reason"]) if part)
        known.append((story["completed_at"], "end", story["status"], said))
    elif story["status"] == "pending" and story["scheduled_at"]:
        known.append((story["scheduled_at"], "due", "due again" if story["attempt_history"] else "due", ""))
    return known


def _began(worker: str | None, attempt: int | None) -> tuple[str, str]:
    return "a processor began" + (f" attempt {attempt}" if attempt and attempt > 1 else ""), worker or ""


def _steps(records: list[Json]) -> _Known:
    return [
        (
            record["finishedAt"],
            "step" if record.get("status") == "success" else "retry",
            f"step {record.get('name') or record.get('stepId')}",
            ", ".join(
                part
                for part in (
                    str(record.get("code") or "done"),
                    duration(seconds_between(record.get("startedAt"), record["finishedAt"])),
                )
                if part
            ),
        )
        for record in records
        if isinstance(record.get("finishedAt"), str)
    ]


def _sends(story: Json, with_recipients: bool) -> _Known:
    """Return the sends that no timed step tells of."""
    told = {str(record.get("stepId")) for record in story["steps"] if record.get("finishedAt")}
    return [
        (send["sent_at"], "send", f"{send['channel']}: {send['status']}", send["recipient"] if with_recipients else "")
        for send in story["sends"]
        if str(send["step"]) not in told
    ]


@dataclass(frozen=True, slots=True)
class Band:
    """Its whole time to scale, and how much of it was work."""

    svg: Markup
    whole: float
    work: float


def band(story: Json, now: datetime) -> Band | None:
    """Draw the time from the change to the end (or now): queued, at work, waiting.  None where there is no length."""
    event, made = story["event"], parse_time(story["created_at"])
    begin = parse_time(event["occurred_at"]) if event else made
    end = parse_time(story["completed_at"]) or now
    if begin is None or end <= begin:
        return None
    works = [
        (parse_time(one.get("began")), parse_time(one["at"])) for one in story["attempt_history"] if one.get("began")
    ]
    claimed = parse_time(story["claimed_at"] or story["started_at"])
    if claimed is not None and claimed not in [first for first, _ in works] and story["status"] != "pending":
        works.append((claimed, end))
    whole = (end - begin).total_seconds()
    drawn, at, work = [], begin, 0.0
    for first, last in sorted((first, last) for first, last in works if first is not None and last is not None):
        first, last = max(first, at), min(max(last, at), end)
        drawn.append(_part("queued" if at == begin else "waits", begin, at, first, whole))
        drawn.append(_part("work", begin, first, last, whole))
        work += (last - first).total_seconds()
        at = last
    drawn.append(_part("queued" if at == begin else "waits", begin, at, end, whole))
    told = f"{duration(whole)} in all, {duration(work) if work else 'none'} of it at work"
    return Band(
        Markup(  # numbers of our own, and words that are escaped
            f'<svg class="band" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(told)}">{"".join(drawn)}</svg>'
        ),
        whole,
        work,
    )


def _part(kind: str, begin: datetime, first: datetime, last: datetime, whole: float) -> str:
    seconds = (last - first).total_seconds()
    if seconds <= 0 and kind != "work":
        return ""
    x = (first - begin).total_seconds() / whole * _WIDTH
    width = max(seconds / whole * _WIDTH, 2.5 if kind == "work" else 0.0)  # work can be seen however short it was
    word = {"queued": "queued", "waits": "waits", "work": "at work"}[kind]
    return (
        f'<rect class="{kind}" x="{min(x, _WIDTH - width):.2f}" y="{0 if kind == "work" else 5}" width="{width:.2f}" '
        f'height="{_HEIGHT if kind == "work" else _HEIGHT - 10}"><title>{word} {duration(seconds)}</title></rect>'
    )
