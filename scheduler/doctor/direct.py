"""The check of direct mode: whether it is on and has what it needs."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, ok, warn

_PARTS = {"pg_net": "pg_net", "vault": "Vault", "cron": "pg_cron"}


def direct_mode(facts: Facts) -> list[Result]:
    """Check that direct mode, if it is on, has pg_net, its trigger, and the token in Vault."""
    section = facts.section("direct")
    status = section["status"]
    results = each(status["problems"], _problem)
    if status["on"] and section["net_worker"] is False:
        results.append(warn("pg_net's process is not running: no calls are sent", "select net.worker_restart();"))
    has = status | {"cron": section["cron"]}
    parts = ", ".join(f"{name} {'installed' if has[key] else 'not installed'}" for key, name in _PARTS.items())
    return results or [ok(f"{'on' if status['on'] else 'off'} ({parts})")]


def _problem(text: str) -> Result:
    fact, _, fix = text.rpartition(": ")
    return fail(f"on, but {fact}", fix)
