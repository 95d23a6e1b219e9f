"""The connections that a canvas editor keeps beside its list of steps: they must give the order of the list."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote


def check_connections(raw_steps: list[Any], prefix: str) -> None:
    """Refuse steps whose `connections` give another order than the list.  Errors: `BadStep`, which names the step."""
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
        connected = ", ".join(quote(target) for target in targets[:3]) if targets else "nothing"
        listed = "nothing" if following is None else quote(following)
        name = quote(raw.get("name") or raw.get("id"))
        raise BadStep(
            f"step {prefix}{number}: {name} is connected to {connected}, but the next step in the list is {listed}"
        )


def _targets(raw: dict[str, Any], path: str) -> list[str] | None:
    """Return the ids of the steps that follow one; None when it has no `connections`."""
    targets = raw.get("connections")
    if targets is None:
        return None
    if not isinstance(targets, list):
        raise BadStep(f"step {path}: `connections` must be a list of ids")
    ids = [_target(item) for item in targets]
    if not all(isinstance(id_, str | int) for id_ in ids):
        raise BadStep(f"step {path}: `connections` must be a list of ids")
    return [str(id_) for id_ in ids]


def _target(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return next((item[key] for key in ("to", "target", "id") if not is_empty(item.get(key))), None)
