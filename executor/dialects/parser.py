"""Reads the tree of a workflow's steps, whatever the dialect of each, into the normal form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import conditions, delays, step_types, windows
from minutehand.executor.dialects.graph_edges import check_connections
from minutehand.executor.dialects.limits import MAX_DEPTH, MAX_NAME, MAX_STEPS, is_empty, quote, type_name
from minutehand.executor.dialects.locations import find_steps, is_trigger
from minutehand.executor.dialects.unread import unread, unread_keys
from minutehand.executor.dialects.variables import translate_value

#: Keys of a workflow that are not supported yet: several channels; see docs/dialects.md.
_UNSUPPORTED_KEYS = ("multi_channel_config", "multiChannel")
_SWITCHED_OFF = "is switched off"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a workflow does: its steps in normal form, and notes on what is understood but not supported yet."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    #: The path of a step, and a key of its config that nothing reads.
    unread: tuple[tuple[str, str], ...] = ()

    @property
    def nothing(self) -> str:
        """Why there is no step, as minutehand.steps_problem says it."""
        is_off = any(note.endswith(_SWITCHED_OFF) for note in self.notes)
        return "all its steps are switched off" if is_off else "it has no steps"


def read_plan(definition: dict[str, Any]) -> Plan:
    """Read a workflow's whole row; each step of the plan has an action that accepts its config.

    Errors: `BadStep`, which names the step and its problem; no other error, whatever the JSON.
    """
    if not isinstance(definition, dict):
        raise BadStep(f"steps: expected a workflow's row, an object; got {type_name(definition)}")
    notes: list[str] = []
    found = find_steps(definition, notes)
    reader = _Reader(notes, windows.window_of_workflow(definition, notes))
    steps = reader.read(found, "", 0)
    holders = (definition, definition.get("template_config"), definition.get("workflow_config"))
    notes.extend(
        f"`{key}` is not supported yet: each step runs by its own channel"
        for key in _UNSUPPORTED_KEYS
        if any(isinstance(holder, dict) and not is_empty(holder.get(key)) for holder in holders)
    )
    return Plan(steps, tuple(dict.fromkeys(notes)), tuple(reader.unread))


def read_steps(definition: dict[str, Any]) -> tuple[Step, ...]:
    """Return the steps of `read_plan`.  Errors: `BadStep`."""
    return read_plan(definition).steps


def all_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Walk a plan's steps in the order of their paths, branches included."""
    for step in steps:
        yield step
        yield from all_steps(step.then)
        yield from all_steps(step.otherwise)


class _Reader:
    def __init__(self, notes: list[str], window: dict[str, Any]) -> None:
        self._notes = notes
        #: The workflow's window, which holds for its messages to people.
        self._window = window
        self._keys: set[str] = set()
        self._count = 0
        self.unread: list[tuple[str, str]] = []

    def read(self, raw_steps: list[Any], prefix: str, depth: int, start: int = 0) -> tuple[Step, ...]:
        """Read one list of steps, from `start` on."""
        if depth > MAX_DEPTH:
            raise BadStep(f"step {prefix}{start + 1}: branches are nested deeper than {MAX_DEPTH} levels")
        if start == 0:
            check_connections(raw_steps, prefix)
        read: list[Step] = []
        for number in range(start, len(raw_steps)):
            raw, path = raw_steps[number], f"{prefix}{number + 1}"
            if is_trigger(raw) or self._is_off(raw, path):
                continue
            step, wait, branches = self._read_one(raw, path)
            if wait is not None:
                read.append(wait)
            if step is None:
                continue
            if step.type != "condition":
                read.append(step)
            elif branches is not None:
                read.append(self._branch(step, branches, path, depth))
            elif depth == 0:
                read.append(replace(step, otherwise=(self._stop(step),)))
            else:  # within a branch only the rest of the branch depends on it
                read.append(replace(step, then=self.read(raw_steps, prefix, depth + 1, number + 1)))
                break
        return tuple(read)

    def _is_off(self, raw: Any, path: str) -> bool:
        off = isinstance(raw, dict) and (raw.get("enabled") is False or raw.get("disabled") is True)
        if off:
            self._notes.append(f"step {path} {_SWITCHED_OFF}")
        return off

    def _read_one(self, raw: Any, path: str) -> tuple[Step | None, Step | None, list[conditions.Branch] | None]:
        """Read one step without its branches; returns it, the wait before it, and its branches (None: a gate)."""
        label = path
        try:
            if not isinstance(raw, dict):
                raise BadStep(f"expected an object, got {type_name(raw)}")
            label = f"{path} ({raw['name'][:MAX_NAME]})" if _is_text(raw.get("name")) else path
            config = step_types.config_of(raw)
            type_ = step_types.type_of(raw, config)
            label = label if label != path else f"{path} ({type_})"
            step = self._step(raw, path, type_, step_types.stops_on_error(raw, config))
            step = replace(step, give_up_seconds=step_types.give_up_seconds(raw, config, type_))
            self._notes += [f"step {label}: {note}" for note in step_types.unread_of_step(raw, type_)]
            timed: list[str] = []
            step = replace(step, delivery=windows.delivery_of_step(raw, config, type_, self._window, timed))
            self._notes += [f"step {label}: {note}" for note in timed]
            if type_ == "wait":
                return self._wait(step, raw, config), None, []
            delay = delays.delay_of(raw, config if type_ in step_types.TYPES else {}, _default_unit(raw))
            wait = None if delay is None else self._delay(step, delay)
            if type_ == "condition":
                asked, branches = _conditions_and_branches(raw, config)
                step = self._noted(step, unread(type_, _given(config), {*conditions.KEYS, *delays.KEYS}))
                return self._checked(step, {"conditions": asked}), wait, branches
            _refuse_branches(raw, type_, config)
            notes: list[str] = []
            config = _config(type_, config, notes)
            self._notes += [f"step {label}: {note}" for note in notes]
            step = self._noted(step, unread_keys(action_for(type_), type_, config), notes)
            return self._checked(step, config), wait, []
        except BadStep as error:
            raise BadStep(f"step {label}: {error}") from None

    def _noted(self, step: Step, keys: Iterable[str], notes: Iterable[str] = ()) -> Step:
        """Return the step with its notes; `keys`: those on keys that nothing reads."""
        unread_ = list(keys)
        self.unread += [(step.path, note) for note in unread_]
        return replace(step, notes=(*notes, *unread_))

    def _wait(self, step: Step, raw: dict[str, Any], config: dict[str, Any]) -> Step | None:
        known = {"for", "until", "drop_after", *delays.KEYS, *delays.KEYS_OF_WAIT}
        step = self._noted(step, unread("wait", _given(config), known))
        if is_empty(config.get("for")) and is_empty(config.get("until")):
            wait = delays.wait_config(raw, config)
            if wait is None:
                return None
            config = wait | {"drop_after": config.get("drop_after")}
        given = {key: config[key] for key in ("for", "until", "drop_after") if not is_empty(config.get(key))}
        return self._checked(step, given)

    def _delay(self, step: Step, config: dict[str, str]) -> Step:
        key = self._new_key(f"{step.key}.delay")
        length = config.get("for") or f"until {config['until']}"
        wait = Step(key=key, path=f"{step.path}.delay", type="wait", name=f"{step.path} (wait {length})"[:MAX_NAME])
        return self._checked(wait, dict(config))

    def _checked(self, step: Step, config: dict[str, Any]) -> Step:
        step = replace(step, config=translate_value(config))
        try:
            action_for(step.type).check(step.config)
        except BadStep:
            raise
        except Exception as error:
            raise BadStep(f"the action's own check failed: {type(error).__name__}") from error
        return step

    def _step(self, raw: dict[str, Any], path: str, type_: str, stop_on_error: bool) -> Step:
        id_ = raw.get("id")
        own = isinstance(id_, str | int) and not isinstance(id_, bool) and id_ != ""
        key = self._new_key(str(id_) if own else path)
        name = raw["name"][:MAX_NAME] if _is_text(raw.get("name")) else f"{path} ({type_})"
        return Step(key=key, path=path, type=type_, name=name, stop_on_error=stop_on_error)

    def _new_key(self, key: str) -> str:
        self._count += 1
        if self._count > MAX_STEPS:
            raise BadStep(f"a workflow may have at most {MAX_STEPS} steps, including branches and delays")
        if len(key) > MAX_NAME:
            raise BadStep(f"its id is longer than {MAX_NAME} characters")
        if key in self._keys:
            raise BadStep(f"several steps have the id {key!r}")
        self._keys.add(key)
        return key

    def _branch(self, step: Step, branches: list[conditions.Branch], path: str, depth: int) -> Step:
        """Nest several Ifs: each becomes the `else` of the previous one."""
        first, *rest = branches
        then = self.read(first.steps, f"{path}.then.", depth + 1)
        if not rest:
            return replace(step, then=then)
        if rest[0].conditions is None:
            return replace(step, then=then, otherwise=self.read(rest[0].steps, f"{path}.else.", depth + 1))
        if depth >= MAX_DEPTH:
            raise BadStep(f"step {path}: branches are nested deeper than {MAX_DEPTH} levels")
        below = f"{path}.else.1"
        try:
            key = self._new_key(f"{step.key}.else.1")
            next_ = Step(key=key, path=below, type="condition", name=f"{below} (condition)")
            next_ = self._checked(replace(next_, stop_on_error=step.stop_on_error), {"conditions": rest[0].conditions})
        except BadStep as error:
            raise BadStep(f"step {below}: {error}") from None
        return replace(step, then=then, otherwise=(self._branch(next_, rest, below, depth + 1),))

    def _stop(self, gate: Step) -> Step:
        """What follows a gate is not run when it does not hold."""
        path = f"{gate.path}.else.1"
        try:
            return Step(key=self._new_key(f"{gate.key}.else.1"), path=path, type="stop", name=f"{path} (stop)")
        except BadStep as error:
            raise BadStep(f"step {path}: {error}") from None


def _config(type_: str, config: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return a config under the keys that its action reads.  Errors: `BadStep`."""
    if type_ in step_types.TYPES:
        config = {key: value for key, value in config.items() if key not in delays.KEYS}
    return step_types.normal_config(type_, config, notes)


def _given(config: dict[str, Any]) -> list[str]:
    return [key for key, value in config.items() if not is_empty(value)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _default_unit(raw: dict[str, Any]) -> str | None:
    """Return the unit of a number without one: minutes, in the dialect that has `action_config`."""
    return "minute" if raw.get("action_config") is not None else None


def _conditions_and_branches(raw: dict[str, Any], config: dict[str, Any]) -> tuple[Any, list[conditions.Branch] | None]:
    """Return the conditions of a condition step, and its branches; None: it has none, and is a gate."""
    asked, branches = conditions.conditions_of(config), conditions.branches_of(raw, config)
    normal = [key for key in ("then", "else") if raw.get(key) is not None]
    for key in normal:
        if not isinstance(raw[key], list):
            raise BadStep(f"`{key}` must be a list of steps, got {type_name(raw[key])}")
    if branches and (normal or asked is not None):
        raise BadStep("it has `branches` and also conditions, `then` or `else`: keep one form")
    _refuse_unread(raw, config)
    if branches:
        return branches[0].conditions, branches
    if asked is None:
        raise BadStep("it has no conditions: add `conditions`")
    if not normal:
        return asked, None
    return asked, [conditions.Branch(asked, raw.get("then") or []), conditions.Branch(None, raw.get("else") or [])]


def _refuse_branches(raw: dict[str, Any], type_: str, config: dict[str, Any]) -> None:
    """Refuse branches and conditions on a step that is not a condition: they would be ignored."""
    for key in ("then", "else", "branches"):
        if not is_empty(raw.get(key)):
            raise BadStep(f"`{key}`: only a condition has branches")
    for key in ("conditions", "condition"):
        if type_ in step_types.TYPES and not is_empty(config.get(key)):
            raise BadStep(f"`{key}` is not supported on this step: put a condition step before it")


def _refuse_unread(raw: dict[str, Any], config: dict[str, Any]) -> None:
    """Refuse steps under a key of a condition that is not read: they would be ignored."""
    for holder in (raw, config):
        for key, value in holder.items():
            if key in ("then", "else", "branches", "conditions", "condition") or not isinstance(value, list):
                continue
            if any(isinstance(item, dict) and ("type" in item or "config" in item) for item in value):
                raise BadStep(f"steps under {quote(key)} are not supported: name the key `then`, `else` or `branches`")
