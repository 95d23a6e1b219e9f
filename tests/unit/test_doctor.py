"""doctor's checks that need no database, and how its answer looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from minutehand.scheduler.cli.commands.doctor import WIDTH, as_json, as_text
from minutehand.scheduler.doctor import database, direct
from minutehand.scheduler.doctor.checks import CHECKS, Check, run_checks
from minutehand.scheduler.doctor.facts import Facts
from minutehand.scheduler.doctor.result import MAX_LISTED, each, fail, ok, warn

HERE = Path("/opt/minutehand")
MIGRATIONS = {"0001_first": "a", "0002_second": "b"}
OFF = {"on": False, "pg_net": True, "vault": False, "problems": []}


def of(**values: object) -> Facts:
    """Facts of these values."""
    defaults: dict = {
        "backend": "postgres",
        "database_name": "localhost/app",
        "kind": "direct",
        "listens": True,
        "migrations": MIGRATIONS,
        "database": {},
    }
    return Facts(**defaults | values)


@pytest.mark.parametrize(
    ("kind", "listens", "words"),
    [
        ("direct", True, "direct connection, LISTEN works"),
        ("direct", False, "direct connection, no LISTEN: workers poll"),
        ("session", True, "session pooler, LISTEN works"),
        ("transaction", False, "transaction pooler, no LISTEN: workers poll"),
        ("rest", False, "REST, no LISTEN"),
    ],
)
def test_the_backend_and_its_kind_are_named(kind: str, listens: bool, words: str) -> None:
    (result,) = database.backend(of(kind=kind, listens=listens))
    assert (result.level, words in result.fact) == ("ok", True)


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [(0.0, "ok", ""), (-5.0, "ok", ""), (61.2, "warn", "61 s ahead of"), (-7.0, "warn", "7 s behind")],
)
def test_a_clock_that_is_off_is_told(ahead: float, level: str, words: str) -> None:
    (result,) = database.clock(of(clock_seconds=ahead))
    assert (result.level, words in result.fact) == (level, True)


def test_without_the_schema_only_what_needs_none_is_looked_at() -> None:
    results = run_checks(of(database=None, refusal="there is no such function. Run something"))
    assert [check.name for check, _ in results] == ["backend", "schema"]
    result = results[-1][1]
    assert (result.level, result.fix) == ("fail", "minutehand migrate")
    assert "0002_second" in result.fact
    (_, result) = run_checks(of(database=None, kind="rest"))[-1]
    assert str(result.fix).startswith("minutehand migrate --print > supabase/migrations/")


def test_a_migration_that_is_missing_between_others_is_named() -> None:
    (result,) = database.schema(of(database={"schema": {"migrations": {"0002_second": "b"}}}))
    assert (result.level, "half migrated: 0001_first" in result.fact) == ("fail", True)


@pytest.mark.parametrize(
    ("status", "net_worker", "results"),
    [
        (OFF, None, [("ok", "off (pg_net installed, Vault not installed, pg_cron installed)", None)]),
        (OFF | {"on": True}, True, [("ok", "on (pg_net installed, Vault not installed, pg_cron installed)", None)]),
        (
            OFF | {"on": True},
            False,
            [("warn", "pg_net's process is not running: no calls are sent", "select net.worker_restart();")],
        ),
        (
            OFF | {"on": True, "problems": ["Vault has no token: minutehand direct rotate"]},
            None,
            [("fail", "on, but Vault has no token", "minutehand direct rotate")],
        ),
    ],
)
def test_direct_mode_says_what_it_lacks(status: dict, net_worker: bool | None, results: list) -> None:
    facts = {"direct": {"status": status, "net_worker": net_worker, "cron": True}}
    found = direct.direct_mode(of(database=facts))
    assert [(result.level, result.fact, result.fix) for result in found] == results


def test_what_there_is_too_much_of_is_counted() -> None:
    found = each(range(MAX_LISTED + 5), lambda number: warn(f"number {number}", "fix"))
    assert [len(found), found[-1].fact, found[-1].level] == [MAX_LISTED + 1, "and 5 more like this", "warn"]
    assert len(each(range(MAX_LISTED), lambda number: warn("x", "y"))) == MAX_LISTED


def test_the_answer_fits_a_terminal_but_what_is_to_be_copied_is_never_broken() -> None:
    fact, fix = "a long fact " * 30, "select " + "something " * 30
    results = [
        (CHECKS[0], ok("fine")),
        (CHECKS[1], fail(fact, fix)),
        (Check("other", "x", database.backend), warn("y", "z")),
    ]
    lines = as_text(results).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == [f"{' ' * 26}fix: {fix}"]
    assert lines[:2] == ["database", "  ok    backend           fine"]
    assert lines[-1] == "1 fail, 1 warn, 1 ok"
    printed = as_json(of(), results)
    assert (printed["ok"], printed["warn"], printed["fail"]) == (1, 1, 1)
    assert printed["checks"][1] == {"group": "database", "check": "clock", "level": "fail", "fact": fact, "fix": fix}  # type: ignore[index]


def test_each_check_has_a_name_of_its_own_and_says_in_a_line_what_it_does() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert [check.name for check in CHECKS if not check.run.__doc__] == []
    assert max(map(len, names)) <= 16, "the column is as wide"
