"""Checks of the queue: who processes it, who else does, what waits, and whether messages can leave."""

from __future__ import annotations

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import read_steps
from minutehand.executor.durations import format_short
from minutehand.scheduler.cli.output import counted, shown
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, ok, warn
from minutehand.store import Json

#: A processor comes by each minute; after so long it does not.
MOST_SILENT_SECONDS = 300
#: Another processor's newest row tells that it still runs.
STILL_RUNS_SECONDS = 3600
_SHOW_FOREIGN = (
    "select * from automation_execution_logs where status in ('running', 'processing') and lease_token is null"
    " order by created_at desc limit 10;"
)


def processor(facts: Facts) -> list[Result]:
    """Say when a processor was last here."""
    newest = facts.section("processors")["newest"]
    fix = "minutehand run-once   # each minute: crontab.example"
    if newest is None:
        return [warn("no processor has been here yet: nothing is run", fix)]
    who = f"{newest['mode']} on {newest['host']}, {shown(newest['heartbeat_at'])} UTC"
    if newest["seconds"] > MOST_SILENT_SECONDS:
        return [warn(f"no processor has been here for {format_short(newest['seconds'])}; the last: {who}", fix)]
    return [ok(f"last seen: {who}")]


def other_processors(facts: Facts) -> list[Result]:
    """Look for others that work on our rows: executions in work without a lease, jobs of pg_cron."""
    section = facts.section("processors")
    results = [_foreign(section)] if section["foreign"] else []
    return [*results, *each(section["cron"] or [], _cron)] or [ok("nobody else works on the executions")]


def _foreign(section: Json) -> Result:
    ago = format_short(section["foreign_seconds"])
    fact = counted(section["foreign"], "execution runs", "executions run")
    fact = f"{fact} without a token of ours, the newest began {ago} ago"
    if section["foreign_seconds"] < STILL_RUNS_SECONDS:
        why = "another processor works on them, perhaps sent twice; see docs/switching.md"
        return fail(f"{fact}: {why}", _SHOW_FOREIGN)
    return warn(f"{fact}: another processor left them", _SHOW_FOREIGN)


def _cron(job: Json) -> Result:
    named = f'"{job["name"]}"' if job["name"] else job["id"]
    which = literal(job["name"]) if job["name"] else str(job["id"])
    return warn(
        f"pg_cron's job {named} ({job['schedule']}) touches automations: unless it calls Minutehand, sent twice",
        f"select cron.unschedule({which});",
    )


def backlog(facts: Facts) -> list[Result]:
    """Look for executions that should have run long ago: late messages surprise."""
    section = facts.section("queue")
    results = []
    if section["stale"]:
        fact = counted(section["stale"], "execution is", "executions are")
        fact = (
            f"{fact} due for more than an hour and never began, the oldest since {shown(section['stale_oldest'])} UTC"
        )
        results.append(warn(fact, "minutehand executions ls --status pending"))
    if section["held"]:
        fact = counted(section["held"], "execution was", "executions were")
        fact = f"{fact} held: late already when a processor came"
        results.append(warn(fact, "minutehand executions ls --code stale"))
    return results or [ok("nothing is due for more than an hour")]


def sends(facts: Facts) -> list[Result]:
    """Look for messages of which nobody knows whether they arrived."""
    if uncertain := facts.section("queue")["uncertain"]:
        fact = counted(uncertain, "execution is", "executions are")
        fact = f"{fact} held: whether the message left is not known"
        return [warn(fact, "minutehand executions ls --code uncertain_send")]
    return [ok("no send is uncertain")]


#: Of each kind: what to say of one change, of several, of all; and what mends it.
_EVENTS = {
    "lost": (
        ("change", "changes"),
        "could not be recorded at all: see the database's log for the warnings of minutehand",
        "alter sequence minutehand.lost_events restart;   -- once they are looked at",
    ),
    "set_aside": (
        ("change was", "changes were"),
        "set aside: the match failed five times",
        "select id, table_name, error from automation_events where matched_at is null and match_attempts >= 5;",
    ),
    "unmatched": (
        ("change waits", "changes wait"),
        "to be matched for more than 10 minutes",
        "minutehand run-once",
    ),
    "no_tenant": (
        ("of the newest changes names", "of the newest changes name"),
        "no tenant: that starts nothing",
        "select id, table_name, error from automation_events where error like 'no tenant%' order by id desc limit 20;",
    ),
}


def events(facts: Facts) -> list[Result]:
    """Look for changes that were recorded badly or not at all."""
    section = facts.section("queue")
    found = [warn(f"{counted(section[kind], *words)} {fact}", fix)
             for kind, (words, fact, fix) in _EVENTS.items() if section[kind]]  # fmt: skip
    return found or [ok("every change is matched")]


def email(facts: Facts) -> list[Result]:
    """Look whether e-mails can leave, if workflows write any."""
    workflows = facts.section("workflows")["workflows"]
    writing = [workflow["name"] for workflow in workflows if workflow["on"] and _writes_email(workflow)]
    if facts.executor != "local" or not writing:
        return [ok("no step needs an e-mail provider here")]
    writers = counted(len(writing), "workflow writes", "workflows write")
    if not facts.email_problem:
        return [ok(f"an e-mail provider is set up; {writers} e-mails")]
    return [
        fail(
            f'{writers} e-mails ("{writing[0]}"), which will fail: {facts.email_problem}',
            "SMTP_URL=smtp://user:password@host:port EMAIL_FROM=no-reply@example.com   # where the processor runs",
        )
    ]


def _writes_email(workflow: Json) -> bool:
    try:
        return any(step.type == "email" for step in read_steps(workflow["definition"] or {}))
    except BadStep:
        return False
