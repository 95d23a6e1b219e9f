"""Checks of the queue: its processors, the backlog, lost changes, and whether messages can be sent."""

from __future__ import annotations

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.checks.services import reported_problem
from minutehand.executor.dialects import read_steps
from minutehand.executor.durations import format_short
from minutehand.executor.webhook_secrets import MIN_BYTES, BadSecret, is_short, signing_keys
from minutehand.scheduler.cli.output import counted, format_value
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, literal, ok, warn
from minutehand.store import Json

#: A processor runs every minute; after this long, none is running.
MAX_SILENT_SECONDS = 300
#: A tick matches what the trigger left; a change that waits longer needs somebody to look.
MAX_UNMATCHED_SECONDS = 600
#: If another processor's newest row is more recent than this, that processor is still running.
STILL_RUNS_SECONDS = 3600
_SHOW_FOREIGN = (
    "select * from automation_execution_logs where status in ('running', 'processing') and lease_token is null"
    " order by created_at desc limit 10;"
)


def processor(facts: Facts) -> list[Result]:
    """Report when a processor last ran."""
    newest = facts.section("processors")["newest"]
    fix = "minutehand run-once   # every minute: crontab.example"
    if newest is None:
        return [warn("no processor has run yet: nothing is executed", fix)]
    who = f"{newest['mode']} on {newest['host']}, {format_value(newest['heartbeat_at'])} UTC"
    if newest["seconds"] > MAX_SILENT_SECONDS:
        return [warn(f"no processor has run for {format_short(newest['seconds'])}; last seen: {who}", fix)]
    return [ok(f"last seen: {who}"), *(_problem(problem) for problem in facts.section("processors")["problems"])]


def _problem(problem: Json) -> Result:
    return warn(
        f"{problem['mode']} on {problem['host']} runs executions, but {problem['what']} failed: {problem['reason']}",
        "see the log of that processor",
    )


def other_processors(facts: Facts) -> list[Result]:
    """Find other processors of our rows: running executions without a lease, and jobs of pg_cron."""
    section = facts.section("processors")
    results = [_foreign(section)] if section["foreign"] else []
    return [*results, *each(section["cron"] or [], _cron)] or [ok("no other processor works on the executions")]


def _foreign(section: Json) -> Result:
    ago = format_short(section["foreign_seconds"])
    fact = counted(section["foreign"], "execution is", "executions are")
    fact = f"{fact} running without a lease of ours; the newest started {ago} ago"
    if section["foreign_seconds"] < STILL_RUNS_SECONDS:
        why = "another processor works on them, so messages may be sent twice; see docs/switching.md"
        return fail(f"{fact}: {why}", _SHOW_FOREIGN)
    return warn(f"{fact}: another processor left them unfinished", _SHOW_FOREIGN)


def _cron(job: Json) -> Result:
    named = f'"{job["name"]}"' if job["name"] else job["id"]
    which = literal(job["name"]) if job["name"] else str(job["id"])
    return warn(
        f"pg_cron's job {named} ({job['schedule']}) uses the automation tables:"
        " unless it calls Minutehand, messages may be sent twice",
        f"select cron.unschedule({which});",
    )


def backlog(facts: Facts) -> list[Result]:
    """Find executions that should have run long ago, so that their messages come late."""
    section = facts.section("queue")
    results = []
    if section["stale"]:
        fact = counted(section["stale"], "execution is", "executions are")
        since = format_value(section["stale_oldest"])
        fact = f"{fact} overdue by more than an hour and never started; the oldest since {since} UTC"
        results.append(warn(fact, "minutehand executions ls --status pending"))
    if section["held"]:
        fact = counted(section["held"], "execution was", "executions were")
        fact = f"{fact} held as stale: overdue when a processor started"
        results.append(warn(fact, "minutehand executions ls --code stale"))
    if section["flooded"]:
        fact = counted(section["flooded"], "execution is", "executions are")
        results.append(warn(f"{fact} held as a flood", "minutehand executions ls --code flood"))
    if section["restored"]:
        fact = counted(section["restored"], "execution is", "executions are")
        results.append(warn(f"{fact} held since a restore or a copy", "minutehand executions ls --code restored"))
    return results or [ok("nothing is overdue by more than an hour")]


def opt_outs(facts: Facts) -> list[Result]:
    """Find opt-outs, from before addresses were read, that name no address: they stop nothing."""
    if unread := facts.section("queue")["opt_outs"]:
        fact = f"{counted(unread, 'opt-out', 'opt-outs')} cannot be read as an address, and stop nothing"
        return [warn(fact, "minutehand opt-outs ls   # then rm them, and add them as the problem says")]
    return [ok("every opt-out names an address")]


def sends(facts: Facts) -> list[Result]:
    """Find unconfirmed sends: the message may have arrived."""
    if uncertain := facts.section("queue")["uncertain"]:
        fact = counted(uncertain, "execution is", "executions are")
        fact = f"{fact} held with an unconfirmed send: the message may have arrived"
        return [warn(fact, "minutehand executions ls --code uncertain_send")]
    return [ok("no unconfirmed sends")]


#: For each kind: the words for one change and for several, the fact, and the fix.
_EVENTS = {
    "lost": (
        ("change", "changes"),
        "could not be recorded: see the warnings of minutehand in the database's log",
        "alter sequence minutehand.lost_events restart;   -- after you read them",
    ),
    "set_aside": (
        ("change was", "changes were"),
        "set aside: matching failed five times",
        "select id, table_name, error from automation_events where matched_at is null and match_attempts >= 5;",
    ),
    "unmatched": (
        ("change is", "changes are"),
        "not matched yet",
        "minutehand run-once",
    ),
    "no_tenant": (
        ("recent change has", "recent changes have"),
        "no tenant and started nothing",
        "select id, table_name, error from automation_events where error like 'no tenant%' order by id desc limit 20;",
    ),
}


def events(facts: Facts) -> list[Result]:
    """Find changes that were lost, set aside, not yet matched, or without a tenant."""
    section = facts.section("queue")
    said = {kind: f"{counted(section[kind], *words)} {fact}" for kind, (words, fact, _) in _EVENTS.items()}
    waits = section["unmatched_seconds"] or 0
    is_early = waits <= MAX_UNMATCHED_SECONDS  # the next tick matches it
    results = [
        warn(said[kind] + (f"; the oldest waits {format_short(waits)}" if kind == "unmatched" else ""), fix)
        for kind, (_, _, fix) in _EVENTS.items()
        if section[kind] and not (kind == "unmatched" and is_early)
    ]
    if section["unmatched"] and is_early:
        results.append(ok(f"{said['unmatched']}: the next tick matches them"))
    return results or [ok("every change is matched")]


def email(facts: Facts) -> list[Result]:
    """Check that e-mails can be sent, if workflows send any."""
    workflows = facts.section("workflows")["workflows"]
    sending = [workflow["name"] for workflow in workflows if workflow["on"] and _sends_email(workflow)]
    if facts.executor != "local" or not sending:
        return [ok("no step needs an e-mail provider here")]
    senders = counted(len(sending), "workflow sends", "workflows send")
    installation = facts.section("workflows").get("installation") or {}
    reported = installation.get("processors")
    problem = reported_problem(installation, "email") if reported else facts.email_problem
    if not problem:
        return [ok(f"an e-mail provider is configured; {senders} e-mails")]
    return [
        fail(
            f'{senders} e-mails ("{sending[0]}"), which will fail: {problem}',
            "SMTP_URL=smtp://user:password@host:port EMAIL_FROM=no-reply@example.com   # where the processor runs",
        )
    ]


def pace(facts: Facts) -> list[Result]:
    """Find the providers and webhooks that asked to slow down."""
    return each(facts.section("queue")["slow_downs"], _slowed) or [ok("no receiver asks to slow down")]


def _slowed(receiver: Json) -> Result:
    whose = f" of tenant {receiver['tenant']}" if receiver["tenant"] else ""
    until = f"nothing is sent there until {format_value(receiver['until'])} UTC, then one probe"
    state = until if receiver["is_paused"] else f"it gets about {float(receiver['rate']):g} a second"
    since = format_value(receiver["since"])
    return warn(
        f"{receiver['name']}{whose} asks to slow down ({receiver['code']}, since {since} UTC): {state}",
        f"minutehand executions ls --status pending --code {receiver['code']}",
    )


def webhooks(facts: Facts) -> list[Result]:
    """Check the secret that signs webhooks, and say whose signs."""
    make = "MINUTEHAND_WEBHOOK_SECRET=whsec_$(openssl rand -base64 32)   # where the processor runs"
    try:
        if not signing_keys(facts.webhook_secret, None):
            return [ok("webhooks are not signed: MINUTEHAND_WEBHOOK_SECRET is not set")]
        if is_short(facts.webhook_secret):
            return [warn(f"MINUTEHAND_WEBHOOK_SECRET has less than {MIN_BYTES} bytes", make)]
    except BadSecret as error:
        return [fail(f"webhooks will fail: {error}", make)]
    if facts.section("workflows")["single_tenant"]:
        return [ok("MINUTEHAND_WEBHOOK_SECRET signs all webhooks: every table is watched with --tenant none")]
    return [ok("each tenant's own secret signs its webhooks (minutehand webhook-secret show)")]


def _sends_email(workflow: Json) -> bool:
    try:
        return any(step.type == "email" for step in read_steps(workflow["definition"] or {}))
    except BadStep:
        return False
