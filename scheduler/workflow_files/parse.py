"""Convert between workflow files and the columns of a workflow's row.

A file holds one workflow, a list of them, or several YAML documents (scheduler/workflow_files/strict_yaml.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minutehand.scheduler.workflow_files.strict_yaml import MAX_BYTES, BadFile, Place, read_values
from minutehand.store import Json

#: Columns of the app's own that may hold steps or conditions: read and written in place, never translated.
DIALECT = (
    *("trigger_conditions", "template_config", "workflow_config", "action_type", "action_config"),
    *("delivery_window", "multi_channel_config"),
)
#: The keys of a workflow in a file, in the order in which they are written.
KEYS = (
    *("name", "id", "description", "organization_id", "user_id", "trigger", "trigger_type", "conditions"),
    *("trigger_config", "steps", *DIALECT, "settings", "is_active", "status", "enabled"),
)
#: Keys that become empty if a file omits them; other columns stay as they are.
EMPTY: Mapping[str, Any] = {"trigger_config": {}, "steps": [], "settings": {}}

_NOTHING: tuple[Any, ...] = (None, {}, [])
_KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("trigger", "trigger_type", "status", "description"), (str, "text")),
    **dict.fromkeys(("is_active", "enabled"), (bool, "true or false")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWorkflow:
    """One workflow of a file: its file and line, and the columns that it sets."""

    where: str
    row: Json


def read_file(path: Path) -> list[FileWorkflow]:
    """Read a file's workflows.  Errors: `BadFile`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return read_text(data.decode("utf-8-sig"), str(path))
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path}: not valid UTF-8") from None


def read_text(text: str, file: str) -> list[FileWorkflow]:
    """Read workflows from text.  `file` is its name; it is JSON if the name ends in .json.  Errors: `BadFile`."""
    workflows = [_workflow(value, place) for value, place in read_values(text, file)]
    if not workflows:
        raise BadFile(f"{file}: no workflow in this file")
    return workflows


def _workflow(value: Any, place: Place) -> FileWorkflow:
    if not isinstance(value, dict):
        place.refuse("a workflow must be an object with `name`, `trigger` and `steps`")
    for key, item in value.items():
        if key not in KEYS:
            place.refuse(f"unknown key {key!r}; the keys are: {', '.join(KEYS)}", key)
        kind, expected = _KINDS.get(key, (object, ""))
        if item is not None and not isinstance(item, kind):
            place.refuse(f"`{key}` must be {expected}", key)
    if not isinstance(value.get("name"), str) or not value["name"].strip():
        place.refuse("`name` is missing: workflows are saved by name", "name")
    row = {**EMPTY, **value}
    if "trigger" in row:
        if "trigger_type" in row:
            place.refuse("`trigger` and `trigger_type` are the same: use one of them", "trigger")
        row["trigger_type"] = row.pop("trigger")
    if "conditions" in row:
        config = row["trigger_config"] or {}
        if not isinstance(config, dict) or "conditions" in config:
            place.refuse("`conditions` is also in `trigger_config`: use one of them", "conditions")
        row["trigger_config"] = {**config, "conditions": row.pop("conditions")}
    return FileWorkflow(where=place.at(), row=row)


def as_file(row: Mapping[str, Any], *, with_id: bool = False) -> Json:
    """Return a workflow's row as the content of a file.  Applying it changes nothing."""
    config = row.get("trigger_config")
    content = {
        **row,
        "id": row.get("id") if with_id else None,
        "trigger": row.get("trigger_type"),
        "trigger_type": None,
    }
    if isinstance(config, dict) and list(config) == ["conditions"] and config["conditions"] not in _NOTHING:
        content |= {"conditions": config["conditions"], "trigger_config": None}
    for switch, on in (("is_active", True), ("status", "active"), ("enabled", True)):
        if content.get(switch) == on:
            content[switch] = None
    return {key: content[key] for key in KEYS if content.get(key) not in _NOTHING}
