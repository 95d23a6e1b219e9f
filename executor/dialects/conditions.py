"""The conditions of a condition step, and its branches, in every form that apps write.

SQL reads and evaluates the conditions themselves (R9); this module only finds them, and refuses those that ask for more
than the fields of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote, type_name

_FIELD_TYPES = frozenset({"field_comparison", "field", "comparison"})
_GROUP_TYPES = frozenset({"group", "and", "or", "all", "any", "condition", "rule"})
#: Names that look like a field, but ask for the calendar or for other rows.
_UNSUPPORTED_FIELDS = frozenset(
    {
        *("business_hours", "after_hours", "weekend", "holiday", "weather"),
        *("client_has_jobs", "client_last_service", "historical"),
    }
)
_FIELD_KEYS = ("field", "property", "column")
#: Keys of a comparison in one condition step.
_COMPARISON_KEYS = (*_FIELD_KEYS, "operator", "op", "value", "values")
_TYPE_KEYS = ("condition_type", "conditionType")
#: All keys of a condition step's config.
KEYS = frozenset({"conditions", "condition", "branches", "then", "else", *_COMPARISON_KEYS, *_TYPE_KEYS})


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: its conditions (None: the Else), and its raw steps."""

    conditions: Any
    steps: list[Any]


def conditions_of(config: dict[str, Any]) -> Any:
    """Return the conditions in a condition step's config; None when there are none.  Errors: `BadStep`."""
    for key in _TYPE_KEYS:
        _check_type(config.get(key))
    keys = [key for key in ("conditions", "condition") if not is_empty(config.get(key))]
    comparison = {key: config[key] for key in _COMPARISON_KEYS if key in config}
    named = any(not is_empty(comparison.get(key)) for key in _FIELD_KEYS)
    if len(keys) + named > 1:
        raise BadStep("it gives its conditions in two places: keep one")
    if not keys:
        return _check_conditions(comparison) if named else None
    asked = config[keys[0]]
    if keys[0] == "conditions" and isinstance(asked, list) and not is_empty(config.get("operator")):
        asked = {"operator": config["operator"], "conditions": asked}
    return _check_conditions(asked)


def branches_of(raw: dict[str, Any], config: dict[str, Any]) -> list[Branch]:
    """Return the branches of a condition step, [] when it has none.  Errors: `BadStep`."""
    branches = raw.get("branches") or config.get("branches")
    if branches is None or branches == []:
        return []
    if not isinstance(branches, list) or not all(isinstance(branch, dict) for branch in branches):
        raise BadStep("`branches` must be a list of objects")
    read = [_read_branch(branch) for branch in branches]
    if any(arm.conditions is None for arm in read[:-1]):
        raise BadStep("a branch without conditions, or an Else, must be the last one")
    if len(read) == 1 and read[0].conditions is None:
        raise BadStep("its only branch is an Else: add a branch with conditions")
    return read


def _read_branch(branch: dict[str, Any]) -> Branch:
    name = branch.get("name")
    steps = branch.get("steps") or []
    if not isinstance(steps, list):
        raise BadStep(f"the steps of branch {quote(name)} must be a list, got {type_name(steps)}")
    asked = conditions_of({key: branch[key] for key in ("condition", "conditions", "operator") if key in branch})
    otherwise = isinstance(name, str) and name.strip().lower() in ("else", "otherwise", "default")
    if otherwise is (asked is not None):
        raise BadStep(
            f"branch {quote(name)} has {'conditions, which an Else has not' if otherwise else 'no conditions'}"
        )
    return Branch(asked, steps)


def _check_conditions(conditions: Any) -> Any:
    """Check that conditions compare only fields; returns None for empty ones: {operator, conditions: []}."""
    if not isinstance(conditions, dict | list):
        raise BadStep(f"conditions must be an object or a list, got {type_name(conditions)}")
    stack, comparisons = [conditions], 0
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            comparisons += _check_comparison(node)
            stack.extend(value for key, value in node.items() if key not in ("value", "values"))
    return conditions if comparisons else None


def _check_comparison(node: dict[str, Any]) -> bool:
    """Check one node; returns whether it compares a field."""
    for key in _TYPE_KEYS:
        _check_type(node.get(key))
    type_ = node.get("type")
    if isinstance(type_, str) and type_.lower() not in _GROUP_TYPES:
        _check_type(type_)
    field = next((node[key] for key in _FIELD_KEYS if key in node), None)
    if isinstance(field, str) and field.partition(".")[0] in _UNSUPPORTED_FIELDS:
        _check_type(field)
    return field is not None


def _check_type(type_: Any) -> None:
    if not is_empty(type_) and not (isinstance(type_, str) and type_ in _FIELD_TYPES):
        raise BadStep(f"a condition of type {quote(type_)} is not supported: only fields of the row can be compared")
