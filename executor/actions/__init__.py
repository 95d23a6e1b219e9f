"""The registry: from a step's type to its action.

Built-in actions are imported when a step first needs them; plug-ins are searched under the entry-point group
`minutehand.actions` when a type is none of the built-in ones.
"""

from __future__ import annotations

from functools import cache

from minutehand.executor.actions.contract import Action, BadStep
from minutehand.executor.registry import BrokenPlugIn, Registry, UnknownName

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
ACTIONS: Registry[type[Action]] = Registry("action", group="minutehand.actions", built_in=BUILT_IN)


@cache
def action_for(type_: str) -> Action:
    """Return the action of a step type, made once.

    Errors: `BadStep` when there is none, or when its plug-in cannot be loaded; other actions are not touched by that.
    """
    try:
        return ACTIONS.load(type_)()
    except (UnknownName, BrokenPlugIn) as error:
        raise BadStep(str(error)) from error
