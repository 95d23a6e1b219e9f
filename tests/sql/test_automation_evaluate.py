"""automation_evaluate: what every operator means."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests import servers
from tests.servers import Database
from tests.sql.conditions import ROW, evaluate, holds, leaf

pytestmark = servers.on_both_servers

#: field, operator, value, held
TABLE: dict[str, list[tuple[str, Any, bool]]] = {
    "equals": [
        ("job_type", "hvac", True),
        ("job_type", "plumbing", False),
        ("status", "in_progress", True),
        ("status", "INPROGRESS", True),
        ("status", "done", False),
        ("service", "x", False),
        ("service", "", False),
        ("service", None, True),
        ("job_type", None, False),
        ("revenue", 450.50, True),
        ("revenue", "450.5", True),
        ("revenue", "4.505e2", True),
        ("revenue", "450,5", False),
        ("count_text", 10, True),
        ("count_text", 10.0, True),
        ("count_text", "10.0", False),  # two texts are texts
        ("code", "7", False),
        ("code", 7, True),
        ("urgent", True, True),
        ("urgent", "TRUE", True),
        ("urgent", 1, False),
        ("tags", ["vip", "NEW", 7], True),
        ("tags", "vip", False),
        ("address.city", "toronto", True),
        ("address.zip", None, True),
        ("address.geo.lat", "43.70", True),
        ("new.job_type", "hvac", True),
        ("record.status", "in-progress", True),
    ],
    "in": [
        ("job_type", ["Plumbing", "hvac"], True),
        ("job_type", ["plumbing"], False),
        ("job_type", [], False),
        ("job_type", "plumbing, hvac", True),
        ("job_type", "plumbing;hvac", False),
        ("status", "done, in-progress", True),
        ("status", ["in progress"], True),
        ("revenue", [1, "450.5"], True),
        ("revenue", 450.5, True),
        ("service", ["x"], False),
        ("service", [None], True),
        ("tags", ["other", "vip"], True),
        ("tags", ["other"], False),
        ("urgent", [True], True),
    ],
    "contains": [
        ("title", "FURNACE", True),
        ("title", "boiler", False),
        ("title", "100%", True),
        ("title", "0% o", True),
        ("title", "f%furnace", False),  # no wildcards
        ("title", "furnace room", False),
        ("tags", "vip", True),
        ("tags", "vi", False),
        ("tags", "7", True),
        ("no_tags", "vip", False),
        ("revenue", 50, True),
        ("service", "x", False),
    ],
    "starts_with": [
        ("title", "100%", True),
        ("title", "the", False),
        ("job_type", "hv", True),
        ("code", "00", True),
        ("revenue", 45, True),
        ("service", "x", False),
    ],
    "ends_with": [
        ("title", "ROOM", True),
        ("title", "furnace", False),
        ("job_type", "a longer text than hvac", False),
        ("revenue", ".5", True),
        ("service", "x", False),
    ],
    "greater_than": [
        ("revenue", 450, True),
        ("revenue", "99", True),  # as numbers: as texts 4 comes before 9
        ("revenue", 450.5, False),
        ("revenue", 1e300, False),
        ("count_text", "9", True),
        ("count_text", 11, False),
        ("due", "2026-02-28", True),
        ("due", "2026-03-01T00:00:00Z", False),
        ("made", "2026-03-01T07:59:59Z", True),
        ("made", "2026-03-01 08:00:00+00", False),
        ("made", "2026-03-01T09:30", False),  # without a zone it is UTC
        ("job_type", "abc", True),
        ("job_type", "HVAC", False),
        ("service", 1, False),
    ],
    "less_than": [
        ("revenue", 451, True),
        ("revenue", 450.5, False),
        ("count_text", "9", False),
        ("made", "2026-03-01T08:00:01Z", True),
        ("due", "2026-03-02", True),
        ("job_type", "xyz", True),
        ("service", 1, False),
    ],
    "is_empty": [
        ("service", None, True),
        ("blank", None, True),
        ("no_tags", None, True),
        ("no_address", None, True),
        ("address.zip", None, True),
        ("address.street", None, True),
        ("tags", None, False),
        ("job_type", None, False),
        ("urgent", None, False),
        ("revenue", None, False),
    ],
}
NEGATED = {"equals": "not_equals", "in": "not_in", "contains": "not_contains", "is_empty": "is_not_empty"}


@pytest.mark.parametrize("operator", TABLE)
def test_an_operator_holds_as_the_table_says_and_its_negation_does_not(database: Database, operator: str) -> None:
    expected = {(field, operator, repr(value)): held for field, value, held in TABLE[operator]}
    got = {(f, operator, repr(v)): holds(database, [leaf(f, operator, v)]) for f, v, _ in TABLE[operator]}
    assert got == expected
    if negation := NEGATED.get(operator):
        got = {(f, operator, repr(v)): holds(database, [leaf(f, negation, v)]) for f, v, _ in TABLE[operator]}
        assert got == {case: not held for case, held in expected.items()}


def test_a_field_that_the_row_does_not_have_never_matches(database: Database) -> None:
    for operator in (*TABLE, *NEGATED.values(), "changed", "changed_from", "changed_to"):
        for field in ("nope", "nope.city", "job_type.name", "job.status"):
            tree = evaluate(database, leaf(field, operator, "x"), old={**ROW, "job_type": "old"})
            assert (tree["held"], tree["problem"]) == (False, f'row has no field "{field}"'), operator
            assert not holds(database, {"not": leaf(field, operator, "x")}), operator


def test_what_has_no_common_order_is_neither_greater_nor_less(database: Database) -> None:
    for field, value in [
        ("title", 5),
        ("job_type", "5"),
        ("revenue", "n/a"),
        ("due", "soon"),
        ("tags", "a"),
        ("bad_date", "2026-01-01"),
        ("due", "2026-02-30"),
    ]:
        for operator in ("greater_than", "less_than"):
            tree = evaluate(database, leaf(field, operator, value))
            assert not tree["held"], (field, operator, value)
            assert tree["problem"].startswith("cannot order"), (field, operator, value)
            assert not holds(database, {"not": leaf(field, operator, value)})


def test_numbers_and_dates_beyond_all_measure_are_judged_too(database: Database) -> None:
    huge = int("9" * 4000)
    assert holds(database, leaf("n", "greater_than", -huge), {"n": huge})
    assert holds(database, leaf("n", "greater_than", "abc"), {"n": "9" * 5000}) is False
    assert not holds(database, leaf("n", "equals", 5), {"n": "1e99999999999"})
    assert not holds(database, leaf("n", "equals", 5), {"n": "9" * 200_000})  # more digits than numeric takes
    assert not holds(database, leaf("n", "greater_than", "2026-01-01"), {"n": "0000-00-00T99:99:99Z"})


#: operator, value, old, new, held
CHANGES: list[tuple[str, Any, Any, Any, bool]] = [
    ("changed", None, "a", "b", True),
    ("changed", None, "a", "a", False),
    ("changed", None, "a", "A", False),  # text folds case
    ("changed", None, 10, 10.0, False),
    ("changed", None, None, "a", True),
    ("changed", None, "a", None, True),
    ("changed", None, None, None, False),
    ("changed", None, [1], [1, 2], True),
    ("changed_to", "b", "a", "B", True),
    ("changed_to", "b", "b", "b", False),
    ("changed_to", "b", "b", "B", False),
    ("changed_to", "b", "b", "c", False),
    ("changed_to", ["x", "b"], "a", "b", True),
    ("changed_to", None, "a", None, True),
    ("changed_to", "b, c", "a", "c", False),  # only `in` takes a text for a list
    ("changed_from", "a", "A", "b", True),
    ("changed_from", "a", "a", "a", False),
    ("changed_from", "a", "b", "c", False),
    ("changed_from", ["x", "a"], "a", "b", True),
    ("changed_from", None, None, "b", True),
]


def test_a_change_is_told_from_the_old_row(database: Database) -> None:
    for operator, value, old, new, held in CHANGES:
        tree = evaluate(database, leaf("field", operator, value), {"field": new}, {"field": old})
        assert (tree["held"], tree["was"], tree["actual"]) == (held, old, new), (operator, value, old, new)


def test_on_an_insert_everything_was_null(database: Database) -> None:
    for old in (None, Jsonb(None)):
        assert holds(database, leaf("job_type", "changed"), ROW, old)
        assert holds(database, leaf("status", "changed_to", "in progress"), ROW, old)
        assert not holds(database, leaf("status", "changed_from", "scheduled"), ROW, old)
        assert not holds(database, leaf("service", "changed"), ROW, old)


def test_a_column_that_the_old_row_lacks_is_unchanged(database: Database) -> None:
    assert not holds(database, leaf("job_type", "changed"), ROW, {"status": "done"})
    assert holds(database, leaf("address.city", "changed_from", "ottawa"), ROW, {"address": {"city": "Ottawa"}})
    assert holds(database, leaf("address.city", "changed"), ROW, {"address": {}})


def test_the_old_row_can_be_asked_by_its_prefix(database: Database) -> None:
    old = {"status": "scheduled"}
    assert holds(database, leaf("old.status", "equals", "Scheduled"), ROW, old)
    assert holds(database, leaf("old.job_type", "equals", "hvac"), ROW, old)
    assert "problem" in evaluate(database, leaf("old.status", "equals", "scheduled"), ROW, None)
    assert holds(database, leaf("old.x", "equals", 1), {"old": {"x": 1}}, {"x": 2})  # a column of that name wins


def test_scenario_1_a_status_matches_in_every_spelling(database: Database) -> None:
    for spelling in ("in_progress", "in-progress", "IN PROGRESS", "InProgress", " In  Progress "):
        old, new, same = {"status": "scheduled"}, {"status": spelling}, {"status": "In Progress"}
        assert holds(database, [leaf("status", "equals", "In Progress")], new, old), spelling
        assert holds(database, [leaf("status", "changed_to", "In Progress")], new, old), spelling
        assert not holds(database, [leaf("status", "not_equals", "In Progress")], new, old), spelling
        assert not holds(database, [leaf("status", "changed")], new, same), spelling
        assert not holds(database, [leaf("status", "changed_to", "In Progress")], new, same), spelling


def test_only_the_status_column_folds_spaces(database: Database) -> None:
    new = {"status": "In Progress", "stage": "In Progress"}
    conditions = [leaf("stage", "equals", "in_progress")]
    assert not evaluate(database, conditions, new)["held"]
    assert evaluate(database, conditions, new, p_status_column="stage")["held"]
    assert not evaluate(database, [leaf("status", "equals", "in_progress")], new, p_status_column=None)["held"]


def test_statuses_of_any_script_are_told_apart(database: Database) -> None:
    def fold(text: str | None) -> str | None:
        return database.one("select minutehand.fold(%s) as folded", text)["folded"]

    assert fold("In Progress") == fold("in_progress") == fold("in-progress") == fold("IN—PROGRESS") == "inprogress"
    assert fold("Cancelled by client") == fold("CANCELED_BY_CLIENT")
    assert fold("Terminé") == fold("TERMINÉ") != fold("Termin")
    assert len({fold(text) for text in ("完成", "取消", "готово", "отмена", "✅", "❌", "?", "!")}) == 8
    assert fold("Vv ^1~2`<3>$+=|") == "vv123"
    assert [fold(None), fold("")] == [None, ""]


def test_scenario_2_all_conditions_count_and_the_tree_says_which_failed(database: Database) -> None:
    conditions = [leaf("status", "equals", "completed"), leaf("job_type", "equals", "HVAC")]
    tree = evaluate(database, conditions, {"status": "Completed", "job_type": "plumbing"})
    first = {"field": "status", "operator": "equals", "wanted": "completed", "actual": "Completed", "held": True}
    second = {"field": "job_type", "operator": "equals", "wanted": "HVAC", "actual": "plumbing", "held": False}
    assert tree == {"all": [first, second], "held": False}


def test_scenario_3_null_is_not_x(database: Database) -> None:
    assert not holds(database, [leaf("service", "equals", "X")])
    assert holds(database, [leaf("service", "not_equals", "X")])
    assert not holds(database, [leaf("service", "not_equals", None)])


def test_scenario_4_an_unknown_operator_is_no_match_and_a_visible_error(database: Database) -> None:
    bad = leaf("status", "starts_withh", "in")
    tree = evaluate(database, {"any": [bad, leaf("job_type", "equals", "hvac")]})
    assert not tree["held"]
    assert tree["problem"].startswith('unknown operator "starts_withh"; known: equals, not_equals, in, ')
    assert [node["held"] for node in tree["any"]] == [False, True]
    assert tree["any"][0]["actual"] == "In Progress"
    assert not holds(database, {"not": bad})
    for operator in ("gte", "", "between", "!equals", "equals;", 5, ["equals"], {"equals": 1}):
        tree = evaluate(database, {"field": "job_type", "operator": operator, "value": "hvac"})
        assert not tree["held"], operator
        assert tree["problem"].startswith("unknown operator"), operator
