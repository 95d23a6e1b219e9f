"""automation_evaluate: the forms that conditions come in, the mistakes in them, and their limits."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from tests import servers
from tests.servers import Database
from tests.sql.conditions import ROW, evaluate, holds, leaf

pytestmark = servers.on_both_servers


NOTHING: list[Any] = [
    None, Jsonb(None), [], {}, {"all": []}, {"any": []}, {"conditions": []}, {"conditions": None},
    {"operator": "AND", "rules": []},
]  # fmt: skip


def test_no_conditions_mean_every_change(database: Database) -> None:
    for conditions in NOTHING:
        for row in (ROW, None):
            assert evaluate(database, conditions, row) == {"all": [], "held": True}, conditions


YES, NO = leaf("job_type", "equals", "hvac"), leaf("job_type", "equals", "plumbing")

FORMS: list[tuple[Any, bool]] = [
    (YES, True),
    (NO, False),
    ({"field": "job_type", "value": "hvac"}, True),
    ({"property": "job_type", "op": "eq", "values": "hvac"}, True),
    ({"column": "job_type", "operator": "in_list", "values": ["hvac"]}, True),
    ([YES, YES], True),
    ([YES, NO], False),
    ([YES, [YES, [YES]]], True),
    ({"all": [YES, YES]}, True),
    ({"all": YES}, True),
    ({"any": [NO, YES]}, True),
    ({"any": [NO, NO]}, False),
    ({"not": NO}, True),
    ({"not": YES}, False),
    ({"not": [YES, NO]}, True),  # not all of them
    ({"not": {"any": [NO, NO]}}, True),
    ({"conditions": [YES, NO]}, False),
    ({"operator": "AND", "conditions": [YES, NO]}, False),
    ({"operator": "OR", "conditions": [NO, YES]}, True),
    ({"operator": "or", "rules": [NO, YES]}, True),
    ({"logic": "any", "rules": [NO, YES]}, True),
    ({"AND": [YES, {"OR": [NO, YES]}]}, True),
    ([{"operator": "OR", "conditions": [NO, {"not": NO}]}, YES], True),
]


def test_every_form_that_apps_write_is_read(database: Database) -> None:
    for conditions, held in FORMS:
        tree = evaluate(database, conditions)
        assert (tree["held"], "problem" in tree) == (held, False), conditions


def test_what_cannot_be_judged_decides_a_group_only_where_nothing_else_does(database: Database) -> None:
    unknown = leaf("nope", "equals", "x")
    assert holds(database, {"any": [unknown, YES]})
    assert not holds(database, {"any": [unknown, NO]})
    assert not holds(database, {"not": {"any": [unknown, NO]}})
    assert holds(database, {"not": {"all": [unknown, NO]}})
    assert not holds(database, {"not": {"all": [unknown, YES]}})


NAMES: list[tuple[list[str], Any, bool]] = [
    (["equals", "EQUALS", "eq", "==", "=", " Equals "], "hvac", True),
    (["not_equals", "not equals", "Not-Equals", "notEquals", "neq", "ne", "!=", "<>"], "hvac", False),
    (["in", "in_list", "IN LIST"], "hvac,x", True),
    (["not_in", "not_in_list", "notIn"], "hvac,x", False),
    (["greater_than", "gt", ">"], "abc", True),
    (["less_than", "lt", "<"], "abc", False),
    (["is_not_empty", "not_empty", "isNotEmpty"], None, True),
    (["is_empty", "is empty"], None, False),
    (["starts_with", "startsWith", "STARTS-WITH"], "HV", True),
]


def test_an_operator_has_the_names_seen_in_the_field(database: Database) -> None:
    for names, value, held in NAMES:
        assert {name: holds(database, leaf("job_type", name, value)) for name in names} == dict.fromkeys(names, held)


MISTAKES: list[tuple[Any, str]] = [
    (5, "not a condition: 5"),
    ("status = done", "not a condition"),
    (True, "not a condition: true"),
    ([5], "not a condition: 5"),
    ([YES, None], "not a condition: null"),
    ({"all": 5}, "not a condition: 5"),
    ({"days_overdue": 7}, 'this has none: {"days_overdue": 7}'),
    ({"not": None}, "a group without conditions"),
    ({"not": []}, "a group without conditions"),
    ([YES, {"any": []}], "a group without conditions"),
    ([YES, {}], "this has none"),
    ({"all": [YES], "any": [YES]}, "this has all and any"),
    ({**YES, "any": [YES]}, "this has any and field"),
    ({"operator": "XOR", "conditions": [YES]}, 'unknown group "xor"'),
    ({"operator": 5, "conditions": [YES]}, 'unknown group "5"'),
    ({"operator": "equals"}, "this has none"),
    (leaf("", "equals", 1), "not the name of a column"),
    ({"field": 5, "value": 1}, "not the name of a column"),
    ({"field": "job_type", "operator": "equals"}, "operator equals needs a value"),
    ({"field": "job_type", "operator": "in"}, "operator in needs a value"),
    ({"field": "job_type", "operator": "changed_to"}, "operator changed_to needs a value"),
    (leaf("job_type", "contains", ""), "operator contains needs a value"),
    (leaf("job_type", "greater_than", None), "operator greater_than needs a value"),
    (leaf("job_type", "contains", ["a"]), "operator contains takes one text or number"),
    (leaf("job_type", "starts_with", {"a": 1}), "operator starts_with takes one text or number"),
    ([YES, {"all": [{"any": [leaf("job_type", "like", "h%")]}]}], 'unknown operator "like"'),
]


def test_a_mistake_is_named_and_never_matches(database: Database) -> None:
    for conditions, words in MISTAKES:
        tree = evaluate(database, conditions)
        problem = database.one("select minutehand.condition_problem(%s) as problem", Jsonb(conditions))["problem"]
        assert (tree["held"], tree["problem"]) == (False, problem)
        assert words in problem, conditions


def test_good_conditions_have_no_problem(database: Database) -> None:
    for conditions in ([], [YES, NO], {"any": [YES, {"not": [NO]}]}, [leaf("not_in_this_row", "is_empty")]):
        assert database.one("select minutehand.condition_problem(%s) as p", Jsonb(conditions)) == {"p": None}


def test_the_normal_form_is_its_own_normal_form(database: Database) -> None:
    given = [
        {"op": "==", "column": "a", "value": 1},
        {"operator": "or", "rules": [YES, {"field": "b", "op": "in", "value": "x,y"}]},
    ]
    query = "select minutehand.normal_conditions(%s) as normal"
    normal = database.one(query, Jsonb(given))["normal"]
    assert normal == {"all": [
        {"field": "a", "operator": "equals", "value": 1},
        {"any": [YES, {"field": "b", "operator": "in", "value": ["x", "y"]}]},
    ]}  # fmt: skip
    assert database.one(query, Jsonb(normal))["normal"] == normal


def test_conditions_that_are_too_large_or_too_deep_are_refused(database: Database) -> None:
    nested: Any = YES
    for _ in range(16):
        nested = {"not": nested}
    assert holds(database, nested)
    assert evaluate(database, {"not": nested})["problem"] == "conditions are nested deeper than 16 groups"
    large = evaluate(database, [leaf("job_type", "in", ["x" * 50_000, "y" * 50_000])])
    assert large == {"held": False, "problem": "conditions are larger than 64 kB"}
    assert evaluate(database, [YES] * 1001)["problem"] == "conditions have more than 1000 parts"
    assert len(evaluate(database, [YES] * 500)["all"]) == 500
    assert not holds(database, {"conditions": "z" * 1_000_000})


def test_what_postgres_can_read_is_judged_however_deep(database: Database) -> None:
    """Beyond some 14,000 levels PostgreSQL itself refuses the JSON (max_stack_depth 2 MB)."""
    deep = "(repeat('[', 10000) || repeat(']', 10000))"
    tree = database.one(f"select public.automation_evaluate({deep}::jsonb, '{{}}') as tree")["tree"]
    assert tree == {"held": False, "problem": "conditions have more than 1000 parts"}
    row = f"""('{{"a": ' || {deep} || '}}')::jsonb"""
    for condition in (
        '{"field": "a", "op": "in", "value": [[[]], 1]}',
        '{"field": "a", "operator": "equals", "value": []}',
        '{"field": "a.0.0", "operator": "changed"}',
        '{"field": "a", "op": "contains", "value": "x"}',
        '{"field": "old.a", "operator": ">", "value": "x"}',
    ):
        tree = database.one(f"select public.automation_evaluate(%s, {row}, {row}) as tree", condition)["tree"]
        assert tree["held"] is False, condition


def test_a_row_of_a_megabyte_is_judged_and_its_tree_stays_small(database: Database) -> None:
    row: dict[str, Any] = {"text": "É x" * 350_000, "list": list(range(20_000)), "status": "In " * 300_000}
    conditions = [leaf("text", "ends_with", "é x"), leaf("list", "contains", "19999"),
                  leaf("text", "not_in", ["word"] * 10), leaf("status", "not_in", ["word"] * 10)]  # fmt: skip
    tree = evaluate(database, conditions, row)
    assert tree["held"]
    assert len(str(tree)) < 10_000
    assert tree["all"][0]["actual"] == row["text"][:1000] + " ..."


def test_a_row_that_is_no_object_has_no_fields(database: Database) -> None:
    rows: list[Any] = [None, 5, "status", ["status", "job_type"], True, {}]
    for row in rows:
        for operator in ("equals", "not_equals", "is_empty", "changed"):
            assert evaluate(database, [leaf("status", operator, "x")], Jsonb(row), Jsonb(row))["held"] is False


def test_nothing_is_resolved_by_the_callers_search_path(database: Database) -> None:
    database.sql("create schema evil")
    database.sql("create function evil.lower(text) returns text language sql as $$ select 'evil' $$")
    database.sql("set search_path = evil, pg_catalog, public")
    conditions = [leaf("job_type", "equals", "plumbing")]
    assert database.call("automation_evaluate", p_conditions=conditions, p_new=ROW)["held"] is False
