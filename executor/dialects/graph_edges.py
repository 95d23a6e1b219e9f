"""A canvas keeps arrows beside its list of steps: what they say must be what the list says."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote


def check_connections(raw_steps: list[Any], prefix: str) -> None:
    """Refuse a list of steps whose `connections` lead another way than the list.  Errors: `BadStep`, by name."""
    steps = [raw for raw in raw_steps if isinstance(raw, dict)]
    arrows = [_targets(raw, f"{prefix}{number}") for number, raw in enumerate(steps, 1)]
    if not any(arrows):
        return
    for number, (raw, targets) in enumerate(zip(steps, arrows, strict=True), 1):
        if targets is None:
            continue
        following = str(steps[number].get("id")) if number < len(steps) else None
        if targets == ([] if following is None else [following]):
            continue
        said = ", ".join(quote(target) for target in targets[:3]) if targets else "nothing"
        listed = "nothing" if following is None else quote(following)
        name = quote(raw.get("name") or raw.get("id"))
        raise BadStep(
            f"step {prefix}{number}: {name} is connected to {said}, but the next step in the list is {listed}"
        )


def _targets(raw: dict[str, Any], path: str) -> list[str] | None:
    """The ids of the steps that one leads to; None where it does not say."""
    said = raw.get("connections")
    if said is None:
        return None
    if not isinstance(said, list):
        raise BadStep(f"step {path}: `connections` must be a list of ids")
    ids = [_target(item) for item in said]
    if not all(isinstance(id_, str | int) for id_ in ids):
        raise BadStep(f"step {path}: `connections` must be a list of ids")
    return [str(id_) for id_ in ids]


def _target(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return next((item[key] for key in ("to", "target", "id") if not is_empty(item.get(key))), None)
