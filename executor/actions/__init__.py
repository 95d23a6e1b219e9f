"""The registry: from a step's type to the action that does it.

Built-in actions are imported when a step first needs them; plug-ins are looked for under the entry-point group
`minutehand.actions` when a type is none of the built-in ones.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from minutehand.executor.actions.contract import Action, BadStep

BUILT_IN = {
    "email": "minutehand.executor.actions.email:EmailAction",
    "sms": "minutehand.executor.actions.sms:SmsAction",
    "webhook": "minutehand.executor.actions.webhook:WebhookAction",
    "function": "minutehand.executor.actions.function:FunctionAction",
    "update_record": "minutehand.executor.actions.record:UpdateRecordAction",
    "create_record": "minutehand.executor.actions.record:CreateRecordAction",
    "notify": "minutehand.executor.actions.notify:NotifyAction",
    "condition": "minutehand.executor.actions.condition:ConditionAction",
    "wait": "minutehand.executor.actions.wait:WaitAction",
    "stop": "minutehand.executor.actions.stop:StopAction",
}
GROUP = "minutehand.actions"


@cache
def action_for(type_: str) -> Action:
    """Return the action of a step type, made once.

    Errors: `BadStep` when there is none, or when its plug-in cannot be loaded; other actions are not touched by that.
    """
    if type_ in BUILT_IN:
        module, _, name = BUILT_IN[type_].partition(":")
        return cast(Action, getattr(import_module(module), name)())
    found = _plug_ins().get(type_)
    if found is None:
        known = ", ".join(sorted({*BUILT_IN, *_plug_ins()}))
        raise BadStep(f"there is no action `{type_}`; there are: {known}")
    try:
        return cast(Action, found.load()())
    except Exception as error:
        raise BadStep(f"the plug-in for `{type_}` ({found.value}) does not load: {type(error).__name__}") from error


@cache
def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
