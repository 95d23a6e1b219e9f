"""What a condition step asks, and its branches, in every way that apps write them.

The conditions themselves are read by SQL (R9), in whatever form they have; here stands only where to find them, and
which of them ask for what no row can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote, type_name

_PLAIN = frozenset({"field_comparison", "field", "comparison"})
_GROUPS = frozenset({"group", "and", "or", "all", "any", "condition", "rule"})
#: Names that look like a field and ask for the calendar, or for other rows.
_SMART = frozenset(
    {
        *("business_hours", "after_hours", "weekend", "holiday", "weather"),
        *("client_has_jobs", "client_last_service", "historical"),
    }
)
_NAMES = ("field", "property", "column")
#: What belongs to a comparison in one condition step.
_LEAF = (*_NAMES, "operator", "op", "value", "values")
_OF_TYPE = ("condition_type", "conditionType")


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: what must hold (None: everything else), and its raw steps."""

    conditions: Any
    steps: list[Any]


def conditions_of(config: dict[str, Any]) -> Any:
    """Return what a condition step's config asks; None where it asks nothing.  Errors: `BadStep`."""
    for key in _OF_TYPE:
        _plain(config.get(key))
    said = [key for key in ("conditions", "condition") if not is_empty(config.get(key))]
    leaf = {key: config[key] for key in _LEAF if key in config}
    named = any(not is_empty(leaf.get(key)) for key in _NAMES)
    if len(said) + named > 1:
        raise BadStep("it gives its conditions in two places: keep one")
    if not said:
        return _asked(leaf) if named else None
    asked = config[said[0]]
    if said[0] == "conditions" and isinstance(asked, list) and not is_empty(config.get("operator")):
        asked = {"operator": config["operator"], "conditions": asked}
    return _asked(asked)


def arms(raw: dict[str, Any], config: dict[str, Any]) -> list[Branch]:
    """Return the branches of a condition step, [] where it has none.  Errors: `BadStep`."""
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


def _asked(conditions: Any) -> Any:
    """Hold that conditions ask only for fields.  {operator, conditions: []} asks nothing."""
    if not isinstance(conditions, dict | list):
        raise BadStep(f"conditions must be an object or a list, got {type_name(conditions)}")
    waiting, leaves = [conditions], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            leaves += _leaf(node)
            waiting.extend(value for key, value in node.items() if key not in ("value", "values"))
    return conditions if leaves else None


def _leaf(node: dict[str, Any]) -> bool:
    """Hold that one node asks for a field, if it asks at all."""
    for key in _OF_TYPE:
        _plain(node.get(key))
    type_ = node.get("type")
    if isinstance(type_, str) and type_.lower() not in _GROUPS:
        _plain(type_)
    field = next((node[key] for key in _NAMES if key in node), None)
    if isinstance(field, str) and field.partition(".")[0] in _SMART:
        _plain(field)
    return field is not None


def _plain(type_: Any) -> None:
    if not is_empty(type_) and not (isinstance(type_, str) and type_ in _PLAIN):
        raise BadStep(f"a condition of type {quote(type_)} is not supported: only fields of the row can be compared")
