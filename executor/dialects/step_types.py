"""One step as an app wrote it: what it is, and its config under the names that actions read."""

from __future__ import annotations

import re
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import MAX_NAME, is_empty, quote, type_name
from minutehand.executor.dialects.plain_text import is_html, without_tags

#: The types of the normal form -> what else apps call them.  What stands nowhere here is left as it is: a plug-in's.
TYPES = {
    "email": ("send_email", "mail", "send_mail"),
    "sms": ("send_sms", "text", "send_text", "text_message"),
    "notify": ("notification", "send_notification"),
    "webhook": ("send_webhook", "call_webhook"),
    "function": ("edge_function", "call_function"),
    "update_record": (),
    "create_record": (),
    "wait": ("delay",),
    "condition": ("branch",),
    "stop": (),
}
_NORMAL = {other: type_ for type_, others in TYPES.items() for other in (type_, *others)}

#: Where a step may say what it is, beside `type`.
_IN_CONFIG = ("actionType", "action_type")
_IN_STEP = ("subType", "subtype", "sub_type", "actionType", "action_type")
#: What may stand beside `config` instead of in it.
_CONTENT = (
    *("to", "recipient", "recipients", "sendToClient", "subject", "message", "body", "content", "html", "title"),
    *("template", "template_id", "templateId", "url", "method", "headers", "table", "values", "conditions"),
    *("condition", "condition_type", "conditionType", "field", "operator", "value", "for", "until", "duration", "unit"),
    *("continue_on_error", "continueOnError"),
)
#: type -> {the name that its action reads: the names that apps write}
_MESSAGE = ("body", "content", "text")
_TO = ("recipient", "recipients", "to_email", "toEmail", "to_phone", "toPhone", "phone_number", "phoneNumber")
_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "email": {"message": _MESSAGE, "to": _TO},
    "sms": {"message": _MESSAGE, "to": _TO},
    "notify": {"message": _MESSAGE, "title": ("subject",)},
    "webhook": {"url": ("webhook_url", "webhookUrl"), "body": ("payload",)},
    "function": {"name": ("function_name", "functionName"), "body": ("payload",)},
}
_TEMPLATES = ("template", "template_id", "templateId", "template_name", "templateName")
_CLIENT = frozenset({"client", "customer", "{{client}}", "{{ client }}", "{{customer}}", "{{ customer }}"})
#: What the step wishes of the time of day, which is not honoured yet; its value when it wishes nothing.
_TIMING = ("timing", "sendTime", "send_time")
_NO_WISH = frozenset({"immediate", "immediately", "now", "", "none"})


def config_of(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a step's config, wherever it stands.  Errors: `BadStep`."""
    held = [key for key in ("config", "action_config") if raw.get(key) is not None]
    if len(held) > 1:
        raise BadStep("it has both `config` and `action_config`")
    config = raw[held[0]] if held else {}
    if not isinstance(config, dict):
        raise BadStep(f"`{held[0]}` must be an object, got {type_name(config)}")
    config = dict(config)
    for key in _CONTENT:
        if is_empty(raw.get(key)):
            continue
        if not is_empty(config.get(key)) and config[key] != raw[key]:
            raise BadStep(f"`{key}` has different values in the step and in its config: keep one")
        config[key] = raw[key]
    return config


def type_of(raw: dict[str, Any], config: dict[str, Any]) -> str:
    """Return a step's type in normal form, and take it out of `config`.  Errors: `BadStep`."""
    type_ = raw.get("type")
    said = [config.pop(key, None) for key in _IN_CONFIG] + [raw.get(key) for key in _IN_STEP]
    said = [word for word in (*said, None if type_ == "action" else type_) if not is_empty(word)]
    if not said:
        raise BadStep("it has no type")
    wrong = next((word for word in said if not isinstance(word, str) or len(word) > MAX_NAME), None)
    if wrong is not None:
        raise BadStep(f"its type must be text of at most {MAX_NAME} characters, got {quote(wrong)}")
    types = list(dict.fromkeys(normal_type(word) for word in said))
    if len(types) > 1:
        raise BadStep(f"it has several types: {', '.join(types)}"[:300])
    return types[0]


def normal_type(word: str) -> str:
    """`send_sms` and `Send SMS` are `sms`; a word that nobody knows stays what it is."""
    return _NORMAL.get(re.sub(r"[\s-]+", "_", word.strip().lower()), word)


def stops_on_error(raw: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the execution ends when this step fails: only `true` says so, or `continue_on_error: false`."""
    going_on = [config.pop(key, None) for key in ("continue_on_error", "continueOnError")]
    return raw.get("stop_on_error") is True or any(value is False for value in going_on)


def normal_config(type_: str, config: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the config under the names that the action of `type_` reads.

    A plug-in's config is its own, and stays.  Adds to `notes` what is understood and not honoured.  Errors: `BadStep`.
    """
    if type_ not in TYPES:
        return config
    for name, others in _NAMES.get(type_, {}).items():
        _rename(config, name, others)
    if type_ in ("email", "sms", "notify"):
        _refuse_template(config)
        notes.extend(_timing(config))
    if type_ in ("email", "sms"):
        _address(type_, config)
    if type_ == "email" and config.get("html") is None and is_html(config.get("message")):
        config |= {"html": config["message"], "message": without_tags(config["message"])}
    return config


def _rename(config: dict[str, Any], name: str, others: tuple[str, ...]) -> None:
    said = {key: config[key] for key in (name, *others) if not is_empty(config.get(key))}
    for key in others:
        config.pop(key, None)
    values = list(said.values())
    if any(value != values[0] for value in values):
        raise BadStep(f"{' and '.join(f'`{key}`' for key in said)} have different values: keep one")
    if said:
        config[name] = values[0]


def _refuse_template(config: dict[str, Any]) -> None:
    named = [key for key in _TEMPLATES if not is_empty(config.pop(key, None))]
    if named and is_empty(config.get("message")):
        raise BadStep(f"`{named[0]}` names a template, whose text is not in the workflow: write `message`")


def _timing(config: dict[str, Any]) -> list[str]:
    """Take the wishes of when to send out of a config, and say which."""
    wishes = {key: config.pop(key) for key in _TIMING if key in config}
    return [
        f"`{key}` is not supported yet: the message is sent as soon as it can be"
        for key in wishes
        if _wishes(wishes[key])
    ]


def _wishes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(flag is True for flag in value.values())
    return not is_empty(value) and value is not False and str(value).strip().lower() not in _NO_WISH


def _address(type_: str, config: dict[str, Any]) -> None:
    """Leave out a `to` that only says the client, who is the default, and refuse a word that is not an address."""
    to_client = [config.pop(key, None) for key in ("sendToClient", "send_to_client")]
    to = config.get("to")
    if isinstance(to, list) and len(to) == 1:
        to = to[0]
    if isinstance(to, str) and to.strip().lower() in _CLIENT:
        config.pop("to")
        return
    if is_empty(to) and False in to_client:
        raise BadStep("`sendToClient` is false: name the recipient in `to`")
    if isinstance(to, str) and to.strip() and not re.search("[@{]" if type_ == "email" else r"[\d{]", to):
        raise BadStep(f"`to`: {quote(to)} is not an address")
    if to is not None and (to != "" or "to" in config):
        config["to"] = to
