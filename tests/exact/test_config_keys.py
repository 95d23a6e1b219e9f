"""Every key of a trigger config and of the settings is read, harmless, or an error that names it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.executor.checks.workflow import FAILS, NEVER, diagnose
from minutehand.executor.dialects import read_plan
from minutehand.store import schema
from tests.schema.test_upgrade import restore
from tests.servers import Database, on_both_servers
from tests.sql.jobs import STEPS, fired, match, move, watched_jobs, workflow

pytestmark = on_both_servers

#: Columns of an app's table that hold steps or conditions, too; one of type text.
COLUMNS = (
    "add conditions jsonb, add trigger_conditions jsonb, add template_config text, add workflow_config jsonb,"
    " add filters jsonb"
)
HIT = [{"field": "status", "operator": "equals", "value": "Completed"}]
MISS = [{"field": "status", "operator": "equals", "value": "never"}]
#: A trigger_config, or columns; whether the job's way from scheduled to Completed starts the workflow.
READ: list[tuple[Any, bool]] = [
    (None, True),
    ({}, True),
    ([], True),
    ({"conditions": HIT}, True),
    ({"conditions": MISS}, False),
    ({"conditions": {"operator": "AND", "rules": HIT}}, True),
    ({"conditions": {"operator": "AND", "rules": []}}, True),
    ({"condition": MISS[0]}, False),
    ({"condition": HIT[0]}, True),
    (HIT, True),
    (MISS, False),
    (HIT[0], True),
    (MISS[0], False),
    ({"field": "revenue", "operator": "equals", "value": None}, True),
    ({"property": "status", "op": "in", "values": ["never", "completed"]}, True),
    ({"column": "status", "op": "!=", "value": "completed"}, False),
    ({"all": [*HIT, *MISS]}, False),
    ({"any": [*HIT, *MISS]}, True),
    ({"not": HIT}, False),
    ({"AND": [*HIT, *MISS]}, False),
    ({"or": [*HIT, *MISS]}, True),
    ({"rules": MISS}, False),
    ({"operator": "OR", "conditions": [*HIT, *MISS]}, True),
    ({"operator": "AND", "conditions": [*HIT, *MISS]}, False),
    ({"logic": "any", "rules": [*HIT, *MISS]}, True),
    ({"conditionLogic": "or", "conditions": [*HIT, *MISS]}, True),
    ({"match_type": "all", "conditions": [*HIT, *MISS]}, False),
    ({"logic": "and"}, True),
    ({"conditions": HIT, "rules": [], "any": None}, True),
    ({"to_status": ["completed"], "from_tags": [], "to_tags": None}, True),
    ({"toStatus": "paused"}, False),
    # Harmless: what an editor keeps there, what repeats the trigger type, and what says nothing.
    ({"label": "Done", "icon": "check", "position": {"x": 1, "y": 2}, "version": 3, "conditions": HIT}, True),
    ({"type": "job_status_changed", "table": "jobs", "event": "UPDATE", "schema": "public"}, True),
    ({"triggerType": "Job Status Changed", "entity_type": "job", "eventType": "status_change"}, True),
    ({"events": ["UPDATE"], "tableName": "public.jobs"}, True),
    ({"enabled": True, "isActive": True, "timezone": "America/Toronto"}, True),
    ({"filters": [], "status": "", "days_overdue": None, "tags": {}}, True),
    ({"filters": {"operator": "AND", "rules": []}}, True),
    ({"delay": 0, "timing": "immediate"}, True),
    # JSON that is stored as text.
    ('{"conditions": [{"field": "status", "value": "never"}]}', False),
    ('{"conditions": [{"field": "status", "value": "completed"}]}', True),
    ('[{"field": "status", "value": "never"}]', False),
    ('"{\\"to_status\\": [\\"never\\"]}"', False),
    ("", True),
    ("null", True),
    # Other places.
    ({"conditions": HIT, "columns": {"conditions": MISS}}, False),
    ({"columns": {"conditions": HIT}}, True),
    ({"columns": {"conditions": '{"any": [{"field": "status", "value": "never"}]}'}}, False),
    ({"columns": {"filters": []}}, True),
    ({"columns": {"template_config": {"conditions": {"operator": "AND", "rules": MISS}, "steps": STEPS}}}, False),
    (
        {"columns": {"template_config": {"conditions": {"operator": "OR", "rules": [*MISS, *HIT]}, "steps": STEPS}}},
        True,
    ),
    ({"columns": {"workflow_config": {"conditions": HIT, "action": STEPS[0]}}}, True),
    ({"columns": {"workflow_config": {"conditions": [*MISS, *HIT], "logic": "or", "action": STEPS[0]}}}, True),
    ({"columns": {"workflow_config": {"trigger": {"type": "job", "conditions": MISS}, "actions": STEPS}}}, False),
    (
        {"columns": {"workflow_config": {"triggers": [{"trigger_type": "job_status_changed", "conditions": MISS}]}}},
        False,
    ),
    ({"columns": {"workflow_config": {"triggers": [{"event_type": "UPDATE"}, {"event_type": "INSERT"}]}}}, True),
    ({"columns": {"steps": {"conditions": MISS, "actions": STEPS}}}, False),
    (
        {
            "columns": {
                "steps": [{"type": "trigger", "name": "On", "config": {"label": "x"}, "conditions": MISS}, *STEPS]
            }
        },
        False,
    ),
]

#: What is written in place of most keys.
WRITE = 'write "conditions": [{"field": …, "operator": …, "value": …}]'
#: A trigger_config, or columns, that starts nothing; how its problem begins; how it ends.
REFUSED: list[tuple[Any, str, str]] = [
    ({"days_overdue": 7}, "trigger_config.days_overdue is not read; it asks for a time", "minutehand enqueue"),
    ({"daysOverdue": 7}, "trigger_config.daysOverdue is not read; it asks for a time", "minutehand enqueue"),
    *(
        ({key: 24}, f"trigger_config.{key} is not read; it asks for a time", "minutehand enqueue")
        for key in (
            *(
                "hours_before",
                "hours_after",
                "days_after_completion",
                "months_after_last_service",
                "days_since_contact",
            ),
            *("relative_to", "offset_hours", "scheduleType", "frequency", "delay", "cron_expression", "interval"),
        )
    ),
    (
        {"status": "cancelled"},
        "trigger_config.status is not read; ",
        'write "conditions": [{"field": "status", "operator": "equals", "value": "cancelled"}]',
    ),
    (
        {"tags": ["vip", "new"]},
        "trigger_config.tags is not read; ",
        '"conditions": [{"field": "tags", "operator": "in", "value": ["vip", "new"]}]',
    ),
    ({"job_status_to": "completed"}, "trigger_config.job_status_to is not read; write", '"value": "completed"}]'),
    ({"conditions": HIT, "revenue": 100}, "trigger_config.revenue is not read; write", '"value": 100}]'),
    *(
        ({key: HIT}, f"trigger_config.{key} is not read; ", WRITE)
        for key in ("filters", "filter", "where", "criteria", "if", "when", "only_if", "conditons", "query")
    ),
    ({"if": "revenue > 5"}, "trigger_config.if is not read; ", WRITE),
    (
        {"unless": HIT},
        "trigger_config.unless is not read; ",
        'write "conditions": {"not": [{"field": …, "operator": …, "value": …}]}',
    ),
    ({"match": {"status": "x"}}, "trigger_config.match is not read; ", "]"),
    ({"value": "x"}, "trigger_config.value is not read; ", "]"),
    ({"From_Status": ["x"]}, "trigger_config.From_Status is not read; ", "]"),
    (
        {"enabled": False},
        "trigger_config.enabled is not read; ",
        "switch the workflow off by its column is_active, or remove the key",
    ),
    (
        {"type": "job_completed"},
        "trigger_config.type is not read; ",
        "it is not what the column trigger_type says: write that column alone",
    ),
    ({"event": "INSERT"}, "trigger_config.event is not read; ", "alone"),
    ({"events": ["UPDATE", "DELETE"]}, "trigger_config.events is not read; ", "alone"),
    ({"table": "invoices"}, "trigger_config.table is not read; ", "alone"),
    ({"schema": "app"}, "trigger_config.schema is not read; ", "]"),
    ({"cooldown_minutes": 5}, "trigger_config.cooldown_minutes is not read; ", "write it as settings.rate_limit"),
    ({"actions": STEPS}, "trigger_config.actions is not read; ", "steps are read from the column steps"),
    ({"from_tags": ["vip"]}, "trigger_config.from_tags is not supported: ", "write a condition"),
    ({"from_status": [7]}, "trigger_config.from_status is not ", "a list of statuses"),
    (
        {"conditions": HIT, "logic": "or", "operator": "and"},
        "trigger_config joins its conditions by logic and operator: ",
        "keep one",
    ),
    (
        {"conditions": HIT, "rules": MISS},
        "conditions: a condition has one of field, all, any, not or conditions, this has",
        "",
    ),
    ({"conditions": [{"any": []}]}, "conditions: a group without conditions", ""),
    ({"conditions": HIT, "operator": "xor"}, 'conditions: unknown group "xor"', "not"),
    (7, "trigger_config is a number: ", 'write {"conditions": […]}'),
    ("every job", "trigger_config is text that is not JSON: ", 'write {"conditions": […]}'),
    ({"columns": {"conditions": {"status": "x"}}}, "conditions: a condition has one of", ""),
    ({"columns": {"filters": HIT}}, "the column filters is not read; ", "write its conditions in trigger_config"),
    (
        {"columns": {"steps": [{"type": "trigger", "config": {"days_overdue": 3}}, *STEPS]}},
        "the trigger step.days_overdue is not read; it asks for a time",
        "",
    ),
    (
        {"columns": {"steps": [{"type": "trigger", "data": {"status": "x"}}, *STEPS]}},
        "the trigger step.data is not read; ",
        "",
    ),
    (
        {"columns": {"workflow_config": {"triggers": [{"conditions": HIT}, {"conditions": MISS}], "actions": STEPS}}},
        "workflow_config.triggers: several triggers with conditions; ",
        "write a workflow for each",
    ),
    (
        {"columns": {"template_config": {"trigger": {"type": "x", "segment": "vip"}, "steps": STEPS}}},
        'template_config.trigger.segment is not read; write "conditions": ',
        '"value": "vip"}]',
    ),
]


@pytest.fixture
def jobs(database: Database) -> Database:
    """Watched jobs, and an app's table of workflows."""
    watched_jobs(database)
    database.sql(f"alter table automation_workflows {COLUMNS}")
    return database


def save(database: Database, name: str, config: Any) -> None:
    """Save a workflow with this trigger_config; its key `columns` is other columns."""
    columns: dict[str, Any] = {}
    if isinstance(config, dict) and "columns" in config:
        columns = dict(config["columns"])
        config = {key: value for key, value in config.items() if key != "columns"}
    if isinstance(columns.get("conditions"), str):
        columns["conditions"] = Jsonb(columns["conditions"])
    if isinstance(columns.get("template_config"), dict):
        columns["template_config"] = json.dumps(columns["template_config"])  # the column's type is text
    workflow(database, name, trigger_config=Jsonb(config), **columns)


def facts(database: Database) -> dict[str, dict[str, Any]]:
    """What the database knows of each workflow, by name."""
    return {one["name"]: one for one in database.call("automation_metrics", p_facts=True)["workflows"]}


def test_conditions_are_read_wherever_they_stand(jobs: Database) -> None:
    for number, (config, _) in enumerate(READ):
        save(jobs, f"{number:02}", config)
    problems = {name: one["problem"] for name, one in facts(jobs).items() if one["problem"]}
    assert problems == {}
    move(jobs, "Completed")
    match(jobs)
    started = set(fired(jobs))
    assert [config for number, (config, fires) in enumerate(READ) if (f"{number:02}" in started) is not fires] == []


def test_a_key_that_is_not_read_starts_nothing_and_is_named(jobs: Database) -> None:
    for number, (config, _, _) in enumerate(REFUSED):
        save(jobs, f"{number:02}", config)
    move(jobs, "Completed")
    match(jobs)
    assert fired(jobs) == []
    known = facts(jobs)
    told = [str(known[f"{number:02}"]["problem"]) for number in range(len(REFUSED))]
    wrong = [
        (text, config) for text, (config, begin, end) in zip(told, REFUSED, strict=True)
        if not (text.startswith(begin) and text.endswith(end))
    ]  # fmt: skip
    assert wrong == []
    for number, text in enumerate(told):
        diagnosis = diagnose(known[f"{number:02}"])
        assert (diagnosis.state, f"{NEVER}: {text}" in [str(one) for one in diagnosis.findings]) == (NEVER, True), text


def test_a_manual_workflow_needs_no_trigger_config(jobs: Database) -> None:
    workflow(jobs, "by hand", trigger_type="manual", trigger_config={"days_overdue": 7, "label": "x"})
    (one,) = facts(jobs).values()
    assert (one["problem"], one["unread"]) == (None, ["trigger_config: label is not read, and changes nothing"])


def test_harmless_keys_only_warn(jobs: Database) -> None:
    workflow(jobs, "tell", trigger_config={"label": "Done", "icon": "check", "conditions": HIT})
    diagnosis = diagnose(facts(jobs)["tell"])
    assert diagnosis.state == "on"
    assert [(one.level, one.text) for one in diagnosis.problems if one.about == "definition"] == [
        ("warning", "trigger_config: icon, label are not read, and change nothing")
    ]


WITHOUT = "runs without that setting: "
#: Settings, and what is said of them; nothing: they are read.
SETTINGS: list[tuple[Any, list[str]]] = [
    (None, []),
    ({}, []),
    ([], []),
    ({"rate_limit": None, "breaker": None, "volume": None}, []),
    ({"rate_limit": {"n": 3, "per": "1 day", "on_exceed": "delay"}, "breaker": {"n": 5, "per": "1 minute"}}, []),
    ({"unresolved": "blank", "on_uncertain": {"email": "resend"}, "order": "entity", "order_waits": "block"}, []),
    ({"unresolved": {"default": "-"}, "on_uncertain": "hold", "volume": {"hold": True}}, []),
    ('{"rate_limit": null}', []),
    ("fast", [WITHOUT + "settings is text that is not JSON: write an object"]),
    ([{"rate_limit": None}], [WITHOUT + "settings is a list: write an object"]),
    (7, [WITHOUT + "settings is a number: write an object"]),
    ({"rate_limt": None}, ["settings.rate_limt is not read; did you mean rate_limit?"]),
    ({"rateLimit": {"n": 1}}, ["settings.rateLimit is not read; did you mean rate_limit?"]),
    (
        {"color": {"enabled": True}},
        [
            "settings.color is not read; the settings are breaker, businessHours, on_uncertain, order, order_waits, "
            "quietHours, rate_limit, stop_when, timezone, unresolved, volume, window"
        ],
    ),
    ({"window": None, "businessHours": False, "quietHours": {"enabled": True}}, []),
    (
        {"window": {"from": "9"}},
        [FAILS + ': its messages fail: settings.window.from is "9": write a time such as "09:00"'],
    ),
    (
        {"window": {"to": "9:00", "zone": "Mars"}},
        [
            FAILS
            + ': its messages fail: settings.window.zone is "Mars": write "recipient", "organization", "utc" or a zone '
            'such as "Europe/Berlin"'
        ],
    ),
    ({"rate_limit": 5}, [WITHOUT + 'settings.rate_limit is 5: write {"n": 3, "per": "1 day"}, or null for none']),
    ({"rate_limit": {"max": 5}}, [WITHOUT + "settings.rate_limit.max is unknown: write n, per or on_exceed"]),
    ({"rate_limit": {"n": 0}}, [WITHOUT + "settings.rate_limit.n is 0: write a whole number from 1"]),
    ({"rate_limit": {"n": "3"}}, [WITHOUT + 'settings.rate_limit.n is "3": write a whole number from 1']),
    ({"rate_limit": {"per": "soon"}}, [WITHOUT + 'settings.rate_limit.per is "soon": write a time such as "1 hour"']),
    (
        {"rate_limit": {"on_exceed": "wait"}},
        [WITHOUT + 'settings.rate_limit.on_exceed is "wait": write "drop" or "delay"'],
    ),
    (
        {"breaker": {"per": "2 days"}},
        [WITHOUT + 'settings.breaker.per is "2 days": write a time such as "1 hour", from a second to an hour'],
    ),
    ({"unresolved": "blnk"}, [WITHOUT + 'settings.unresolved is "blnk": write "fail", "blank" or {"default": "…"}']),
    (
        {"unresolved": {"defualt": "x"}},
        [WITHOUT + 'settings.unresolved is {"defualt": "x"}: write "fail", "blank" or {"default": "…"}'],
    ),
    (
        {"on_uncertain": {"email": "retry"}},
        [WITHOUT + 'settings.on_uncertain.email is "retry": write "resend", "hold" or "drop"'],
    ),
    ({"stop_when": {"field": "status", "operator": "equals", "value": "cancelled"}}, []),
    ({"stop_when": []}, []),
    (
        {"stop_when": [{"field": "status", "operator": "starts_withh", "value": "c"}]},
        [
            'will fail: settings.stop_when: unknown operator "starts_withh"; known: equals, not_equals, in, not_in, '
            "contains, not_contains, starts_with, ends_with, greater_than, less_than, is_empty, is_not_empty, changed, "
            "changed_from, changed_to"
        ],
    ),
    ({"stop_when": {"any": []}}, ["will fail: settings.stop_when has no conditions"]),
    ({"stop_when": "cancelled"}, ['will fail: settings.stop_when is "cancelled": write conditions']),
    (
        {"stop_when": [{"field": "title", "operator": "equals", "value": "x" * 9000}]},
        ["will fail: settings.stop_when is longer than 8 kB"],
    ),
    ({"order": "row"}, ['runs without ordering: settings.order is row: write "entity" or leave it out']),
]


def test_settings_that_cannot_be_read_are_named(jobs: Database) -> None:
    for number, (settings, _) in enumerate(SETTINGS):
        workflow(jobs, f"{number:02}", settings=Jsonb(settings))
    known = facts(jobs)
    said = [
        [str(one) for one in diagnose(known[f"{number:02}"]).findings if one.about == "settings"]
        for number in range(len(SETTINGS))
    ]
    assert said == [expected for _, expected in SETTINGS]


def test_settings_and_steps_that_are_stored_as_text_are_read(jobs: Database) -> None:
    workflow(jobs, "tell", steps=Jsonb(json.dumps(STEPS)), settings=Jsonb('{"rate_limit": null}'))
    workflow(jobs, "twice", steps=Jsonb(json.dumps(json.dumps(STEPS))))
    workflow(jobs, "flow", steps=[], template_config=json.dumps({"steps": STEPS}))
    workflow(jobs, "wrong", steps=Jsonb("[{"))
    assert {name: one["steps_problem"] for name, one in facts(jobs).items()} == {
        "tell": None, "twice": None, "flow": None, "wrong": "steps: expected a list, got text that is not JSON",
    }  # fmt: skip
    move(jobs, "Completed")
    move(jobs, "scheduled")
    move(jobs, "Completed")
    match(jobs)
    assert sorted(name for name in fired(jobs) if name.startswith("tell")) == ["tell"] * 3, "without a rate limit"
    claimed = jobs.call("automation_claim", p_token="6f0f3a5e-5f0f-4a3e-9d5e-3f0f6a5e5f0f", p_limit=50)
    plans = [read_plan(one["definition"]) for one in claimed["workflows"].values()]
    assert [[step.type for step in plan.steps] for plan in plans] == [["email"]] * 3


def test_the_usual_config_is_read_as_it_stands(jobs: Database) -> None:
    row = {"trigger_config": {"conditions": HIT}, "steps": STEPS, "template_config": None}
    assert jobs.one("select minutehand.has_only_conditions(%s) as yes", Jsonb(row))["yes"] is True


@pytest.mark.parametrize("dump", ["schema7_own_tables.sql", "schema7_adopted_tables.sql"])
def test_migrate_lists_the_workflows_that_it_stops(empty_database: Database, dump: str) -> None:
    restore(empty_database, dump)
    columns = "name, organization_id, user_id, trigger_type, trigger_config, steps, is_active, status"
    # The dump's functions have no bodies.
    empty_database.sql("set session_replication_role = replica")
    owner = empty_database.one(
        "select organization_id, user_id from automation_workflows where organization_id is not null limit 1"
    )
    tenant = str(owner["organization_id"])
    for name, config, steps, is_active in (
        ("A fine", {"label": "x", "conditions": HIT}, STEPS, True),
        ("B late", {"days_overdue": 7}, STEPS, True),
        ("C off", {"days_overdue": 7}, STEPS, False),
        ("D empty", {}, [], True),
        ("E known", {"conditions": 7}, STEPS, True),
    ):
        empty_database.sql(
            f"insert into automation_workflows ({columns}) values (%s, %s, %s, 'job_updated', %s, %s, %s, 'active')",
            name, owner["organization_id"], owner["user_id"], Jsonb(config), Jsonb(steps), is_active,
        )  # fmt: skip
    dry = asyncio.run(schema.migrate(empty_database.url, dry_run=True))
    stopped = [one for one in dry.stopped if one["name"][1] == " "]
    assert [(one["name"], one["tenant"]) for one in stopped] == [("B late", tenant), ("D empty", tenant)]
    assert stopped[0]["problem"].startswith("trigger_config.days_overdue is not read; it asks for a time")
    assert stopped[1]["problem"] == "it has no steps"
    assert asyncio.run(schema.migrate(empty_database.url)).stopped == dry.stopped
    assert asyncio.run(schema.migrate(empty_database.url)).stopped == [], "said once"
