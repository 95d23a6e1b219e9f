"""The check of direct mode: what it needs of the database, where it is on."""

from __future__ import annotations

from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import Result, each, fail, ok, warn

_PARTS = {"pg_net": "pg_net", "vault": "Vault", "cron": "pg_cron"}


def direct_mode(facts: Facts) -> list[Result]:
    """Look whether direct mode is on, and has what it needs: Vault with the token, pg_net, its trigger."""
    section = facts.section("direct")
    status = section["status"]
    found = each(status["problems"], _problem)
    if status["on"] and section["net_worker"] is False:
        found.append(warn("pg_net's process does not run: no call leaves", "select net.worker_restart();"))
    has = status | {"cron": section["cron"]}
    there = ", ".join(f"{name} {'there' if has[key] else 'not there'}" for key, name in _PARTS.items())
    return found or [ok(f"{'on' if status['on'] else 'off'} ({there})")]


def _problem(text: str) -> Result:
    fact, _, fix = text.rpartition(": ")
    return fail(f"on, but {fact}", fix)
