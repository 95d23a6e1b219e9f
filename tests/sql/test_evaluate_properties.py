"""automation_evaluate is total: whatever it is given, it answers, and the answer is consistent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests import servers
from tests.servers import Database
from tests.sql.conditions import evaluate

pytestmark = servers.on_both_servers

#: One database serves all examples of a test: judging writes nothing.
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

OPERATORS = [
    "equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "greater_than",
    "less_than", "is_empty", "is_not_empty", "changed", "changed_from", "changed_to",
]  # fmt: skip

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
telling = st.sampled_from(
    ["", " ", "10", "-1.5e3", ".", "1e999", "٣", "2026-01-31", "2026-02-30", "2026-01-01T25:61:00Z", "In Progress",
     "in_progress", "a,b", "%", "null", "infinity", "NaN", "status", "İ", "ß", "✅", "0000-01-01",
     "9999-12-31T23:59:60+15:59"]
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, telling
)
fields = st.sampled_from(["status", "a", "b", "a.b", "new.status", "old.a", "a.0", "no", ".", "", "a..b", "new."])
words = st.one_of(texts, fields, st.sampled_from(
    ["all", "any", "not", "and", "OR", "conditions", "rules", "field", "column", "operator", "op", "value", "values",
     "problem", "held"]))  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=8,
)
rows = st.one_of(
    st.none(), values, st.dictionaries(st.sampled_from(["status", "a", "b", "new", "old"]), values, min_size=1)
)

operators = st.one_of(
    st.sampled_from(OPERATORS), st.sampled_from(["IN LIST", "==", "starts_withh", "or", ">"]), scalars
)
leaves = st.one_of(
    st.fixed_dictionaries({"field": fields, "operator": st.sampled_from(OPERATORS), "value": values}),
    st.fixed_dictionaries({"field": fields}, optional={"operator": operators, "value": values, "id": values}),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["all", "any", "not"]), st.one_of(inner, st.lists(inner, max_size=3)), max_size=1
        ),
        st.fixed_dictionaries(
            {"rules": st.lists(inner, max_size=3)}, optional={"operator": st.sampled_from(["AND", "or", "xor"])}
        ),
    ),
    max_leaves=6,
)
conditions = st.one_of(trees, values)


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for kind in ("all", "any", "not"):
        for node in tree.get(kind, []):
            yield from nodes(node)


@many
@given(condition=conditions, new=rows, old=rows)
def test_it_never_raises_and_always_answers(database: Database, condition: object, new: object, old: object) -> None:
    tree = evaluate(database, Jsonb(condition), Jsonb(new), Jsonb(old))
    for node in nodes(tree):
        assert isinstance(node["held"], bool)
        assert isinstance(node.get("problem", ""), str)
        assert len({"all", "any", "not", "field", "problem"} & node.keys()) >= 1
    assert evaluate(database, Jsonb(condition), Jsonb(new), Jsonb(old)) == tree
    problem = database.one("select minutehand.condition_problem(%s) as problem", Jsonb(condition))["problem"]
    assert not (problem and tree["held"])


@many
@given(condition=trees, new=rows, old=rows)
def test_not_turns_an_answer_round_unless_there_is_a_problem(
    database: Database, condition: object, new: object, old: object
) -> None:
    tree = evaluate(database, Jsonb(condition), Jsonb(new), Jsonb(old))
    turned = evaluate(database, Jsonb({"not": [condition]}), Jsonb(new), Jsonb(old))
    if any("problem" in node for node in nodes(turned)):
        assert not (tree["held"] and turned["held"])
    else:
        assert turned["held"] is not tree["held"]


@many
@given(field=fields, value=values, new=rows, old=rows)
def test_an_operator_and_its_negation_never_agree_on_a_field_that_is_there(
    database: Database, field: str, value: object, new: object, old: object
) -> None:
    for operator, negation in (("equals", "not_equals"), ("in", "not_in"), ("contains", "not_contains"),
                               ("is_empty", "is_not_empty")):  # fmt: skip
        one, other = (
            evaluate(database, Jsonb({"field": field, "operator": name, "value": value}), Jsonb(new), Jsonb(old))
            for name in (operator, negation)
        )
        assert ("problem" in one) == ("problem" in other)
        assert "problem" in one or one["held"] is not other["held"]


@many
@given(text=st.one_of(texts, telling))
def test_folding_a_status_twice_is_folding_it_once(database: Database, text: str) -> None:
    folded = database.one(
        "select minutehand.fold(%s) as once, minutehand.fold(minutehand.fold(%s)) as twice", text, text
    )
    assert folded["once"] == folded["twice"]
