"""One step as an app wrote it: its type, and its config under the keys that actions read."""

from __future__ import annotations

import re
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import delays, windows
from minutehand.executor.dialects.limits import MAX_NAME, is_empty, quote, type_name
from minutehand.executor.dialects.plain_text import is_html, without_tags
from minutehand.executor.dialects.unread import unread
from minutehand.executor.durations import BadDuration, format_exact, parse_duration

#: The types of the normal form -> other spellings.  A type that is not here stays as it is: it may be a plug-in's.
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

#: Keys for the type, besides `type`.
_TYPE_KEYS_IN_CONFIG = ("actionType", "action_type")
_TYPE_KEYS_IN_STEP = ("subType", "subtype", "sub_type", "actionType", "action_type")
#: Keys that may be in the step instead of in its `config`.
_CONFIG_KEYS = (
    *("to", "recipient", "recipients", "sendToClient", "subject", "message", "body", "content", "html", "title"),
    *("template", "template_id", "templateId", "url", "method", "headers", "table", "values", "conditions"),
    *(
        "condition",
        "condition_type",
        "conditionType",
        "field",
        "operator",
        "value",
        "for",
        "until",
        "drop_after",
        "duration",
        "unit",
    ),
    *("continue_on_error", "continueOnError", "timing", "sendTime", "send_time", "on_uncertain"),
    *("cc", "bcc", "reply_to", "replyTo", "unsubscribe", "marketing", "payload", "webhook_url", "webhookUrl"),
    *("attachments", "attachment", "mediaUrl", "media_url", "mediaUrls", "media_urls", "media", "files"),
)
#: Keys of a step itself that say how an editor shows it, or what a person notes about it.
_OF_EDITORS = (
    *("label", "description", "position", "x", "y", "width", "height", "icon", "color", "order", "index", "stepIndex"),
    *("step_order", "stepNumber", "step_number", "nodeId", "node_id", "next", "nextStepId", "parent", "parentId", "ui"),
    *("data", "meta", "metadata", "notes", "selected", "dragging", "collapsed", "createdAt", "created_at"),
    *("updatedAt", "updated_at", "category", "enabled", "disabled", "connections"),
)
#: Type -> {the key that its action reads: other spellings}.
_MESSAGE_KEYS = ("body", "content", "text")
_TO_KEYS = ("recipient", "recipients", "to_email", "toEmail", "to_phone", "toPhone", "phone_number", "phoneNumber")
_KEY_SPELLINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "email": {
        "message": _MESSAGE_KEYS,
        "to": _TO_KEYS,
        "cc": ("cc_email", "ccEmail", "cc_emails", "ccEmails"),
        "bcc": ("bcc_email", "bccEmail", "bcc_emails", "bccEmails"),
        "reply_to": ("replyTo", "reply_to_email", "replyToEmail"),
    },
    "sms": {"message": _MESSAGE_KEYS, "to": _TO_KEYS},
    "notify": {"message": _MESSAGE_KEYS, "title": ("subject",)},
    "webhook": {"url": ("webhook_url", "webhookUrl"), "body": ("payload",)},
    "function": {"name": ("function_name", "functionName"), "body": ("payload",)},
}
_TEMPLATE_KEYS = ("template", "template_id", "templateId", "template_name", "templateName")
_CLIENT_SPELLINGS = frozenset({"client", "customer", "{{client}}", "{{ client }}", "{{customer}}", "{{ customer }}"})
#: The longest `give_up_after`: automation_settle keeps no longer one.
MAX_GIVE_UP_SECONDS = 604_800
#: Keys that ask for a time of day in a word, which is not supported yet; their values that ask for none.
_TIMING_KEYS = ("timing", "sendTime", "send_time")
_NO_TIME = frozenset({"immediate", "immediately", "now", "", "none"})


def config_of(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a step's config, wherever the step keeps it.  Errors: `BadStep`."""
    holders = [key for key in ("config", "action_config") if raw.get(key) is not None]
    if len(holders) > 1:
        raise BadStep("it has both `config` and `action_config`")
    config = raw[holders[0]] if holders else {}
    if not isinstance(config, dict):
        raise BadStep(f"`{holders[0]}` must be an object, got {type_name(config)}")
    config = dict(config)
    for key in _CONFIG_KEYS:
        if is_empty(raw.get(key)):
            continue
        if not is_empty(config.get(key)) and config[key] != raw[key]:
            raise BadStep(f"`{key}` has different values in the step and in its config: keep one")
        config[key] = raw[key]
    return config


def type_of(raw: dict[str, Any], config: dict[str, Any]) -> str:
    """Return a step's type in normal form, and remove it from `config`.  Errors: `BadStep`."""
    type_ = raw.get("type")
    values = [config.pop(key, None) for key in _TYPE_KEYS_IN_CONFIG] + [raw.get(key) for key in _TYPE_KEYS_IN_STEP]
    values = [word for word in (*values, None if type_ == "action" else type_) if not is_empty(word)]
    if not values:
        raise BadStep("it has no type")
    wrong = next((word for word in values if not isinstance(word, str) or len(word) > MAX_NAME), None)
    if wrong is not None:
        raise BadStep(f"its type must be text of at most {MAX_NAME} characters, got {quote(wrong)}")
    types = list(dict.fromkeys(normal_type(word) for word in values))
    if len(types) > 1:
        raise BadStep(f"it has several types: {', '.join(types)}"[:300])
    return types[0]


def normal_type(word: str) -> str:
    """Return the normal form of a type: `sms` for `send_sms` and `Send SMS`.  An unknown type stays as it is."""
    return _NORMAL.get(re.sub(r"[\s-]+", "_", word.strip().lower()), word)


def stops_on_error(raw: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the execution ends when this step fails: `stop_on_error: true` or `continue_on_error: false`."""
    going_on = [config.pop(key, None) for key in ("continue_on_error", "continueOnError")]
    return raw.get("stop_on_error") is True or any(value is False for value in going_on)


def give_up_seconds(raw: dict[str, Any], config: dict[str, Any], type_: str) -> float | None:
    """Return the seconds of `give_up_after`, and remove it from `config`.  Errors: `BadStep`."""
    in_config = config.pop("give_up_after", None) if type_ in TYPES else None
    given = [value for value in (raw.get("give_up_after"), in_config) if not is_empty(value)]
    if not given:
        return None
    if type_ in ("condition", "wait", "stop"):
        raise BadStep("`give_up_after` is not supported on this step: it is never tried again")
    if len(given) > 1 and given[0] != given[1]:
        raise BadStep("`give_up_after` has different values in the step and in its config: keep one")
    if not isinstance(given[0], str):
        raise BadStep('`give_up_after` must be text, such as "2 hours"')
    try:
        seconds = parse_duration(given[0])
    except BadDuration as error:
        raise BadStep(f"`give_up_after`: {error}") from None
    if seconds > MAX_GIVE_UP_SECONDS:
        raise BadStep(f"`give_up_after` may be at most {format_exact(MAX_GIVE_UP_SECONDS)}")
    return seconds


def normal_config(type_: str, config: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the config under the keys that the action of `type_` reads.

    A plug-in's config stays as it is.  Adds to `notes` what is understood and not supported.  Errors: `BadStep`.
    """
    if type_ not in TYPES:
        return config
    for name, others in _KEY_SPELLINGS.get(type_, {}).items():
        _rename(config, name, others)
    if type_ in ("email", "sms", "notify"):
        notes.extend(_without_template(config))
        notes.extend(_timing(config))
    if type_ in ("email", "sms"):
        _address(type_, config)
    if type_ == "email" and isinstance(config.get("reply_to"), list) and len(config["reply_to"]) == 1:
        config["reply_to"] = config["reply_to"][0]
    if type_ == "email" and config.get("html") is None and is_html(config.get("message")):
        config |= {"html": config["message"], "message": without_tags(config["message"])}
    return config


def unread_of_step(raw: dict[str, Any], type_: str) -> tuple[str, ...]:
    """Return a note for each key of a step, beside its config, that nothing reads."""
    known = {
        *(
            "id",
            "name",
            "type",
            "config",
            "action_config",
            "stop_on_error",
            "give_up_after",
            "then",
            "else",
            "branches",
        ),
        *(*_TYPE_KEYS_IN_STEP, *_CONFIG_KEYS, *_OF_EDITORS, *delays.KEYS, *delays.KEYS_OF_WAIT, *windows.KEYS),
    }
    return tuple(unread(type_, [key for key, value in raw.items() if not is_empty(value)], known, lists=False))


def _rename(config: dict[str, Any], name: str, others: tuple[str, ...]) -> None:
    given = {key: config[key] for key in (name, *others) if not is_empty(config.get(key))}
    for key in others:
        config.pop(key, None)
    values = list(given.values())
    if any(value != values[0] for value in values):
        raise BadStep(f"{' and '.join(f'`{key}`' for key in given)} have different values: keep one")
    if given:
        config[name] = values[0]


def _without_template(config: dict[str, Any]) -> list[str]:
    """Remove the keys that name a template beside the message; returns a note for each.  Errors: `BadStep`."""
    named = [key for key in _TEMPLATE_KEYS if not is_empty(config.pop(key, None))]
    if named and is_empty(config.get("message")):
        raise BadStep(f"`{named[0]}` names a template, whose text is not in the workflow: write `message`")
    return [f"`{key}` is not read: what is sent is `message`" for key in named]


def _timing(config: dict[str, Any]) -> list[str]:
    """Remove the keys that ask for a time of day from a config; returns a note for each."""
    timing = {key: config.pop(key) for key in _TIMING_KEYS if key in config}
    return [
        f"`{key}` is not supported yet: the message is sent as soon as it can be"
        for key in timing
        if _asks_for_time(timing[key])
    ]


def _asks_for_time(value: Any) -> bool:
    if isinstance(value, dict):
        return any(flag is True for flag in value.values())
    return not is_empty(value) and value is not False and str(value).strip().lower() not in _NO_TIME


def _address(type_: str, config: dict[str, Any]) -> None:
    """Remove a `to` that names the client, who is the default; reject a word that is not an address."""
    to_client = [config.pop(key, None) for key in ("sendToClient", "send_to_client")]
    to = config.get("to")
    if isinstance(to, list) and len(to) == 1:
        to = to[0]
    if isinstance(to, str) and to.strip().lower() in _CLIENT_SPELLINGS:
        config.pop("to")
        return
    for name in ("cc", "bcc"):
        for copy in config[name] if isinstance(config.get(name), list) else [config.get(name)]:
            if type_ == "email" and isinstance(copy, str) and copy.strip() and not re.search("[@{]", copy):
                raise BadStep(f"`{name}`: {quote(copy)} is not an address")
    if is_empty(to) and False in to_client:
        raise BadStep("`sendToClient` is false: name the recipient in `to`")
    if isinstance(to, str) and to.strip() and not re.search("[@{]" if type_ == "email" else r"[\d{]", to):
        raise BadStep(f"`to`: {quote(to)} is not an address")
    if to is not None and (to != "" or "to" in config):
        config["to"] = to
