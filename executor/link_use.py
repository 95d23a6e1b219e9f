"""Which linked rows a step uses: it waits while the table of one of them cannot be read (`Context.hidden`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minutehand.executor.actions.contract import Step
from minutehand.executor.dialects.variables import names_of, snake

#: Steps that use nothing but what their config says; a call without a body of its own gets all that templates see.
_CONFIG_ALONE = frozenset({"email", "sms", "notify", "update_record", "create_record", "wait", "condition", "stop"})
_CALLS = frozenset({"webhook", "function"})
#: Without `to` they go to the client.
_TO_CLIENT = frozenset({"email", "sms"})


def uses_link(step: Step, link: str) -> bool:
    """Return whether the step may use this link.  Its name anywhere in the config counts: a wrong yes costs a delay.

    >>> step = Step(key="1", path="1", type="notify", name="tell", config={"message": "{{ clientName }} is here"})
    >>> uses_link(step, "client"), uses_link(step, "vendor")
    (True, False)
    """
    names = names_of(link)
    if step.type in _CALLS and step.config.get("body") is None:
        return True
    if step.type not in _CONFIG_ALONE | _CALLS:  # an action of a package
        return True
    if step.type in _TO_CLIENT and step.config.get("to") is None and "client" in names:
        return True
    return any(_word_of(names).search(snake(text)) for text in _texts(step.config))


def needs_row(step: Step, type_: str) -> bool:
    """Return whether the step may use the row that the execution is about, or its client."""
    if step.type in ("condition", "update_record") or step.type not in _CONFIG_ALONE | _CALLS:
        return True
    if step.type in _CALLS and step.config.get("body") is None:
        return True
    if step.type in _TO_CLIENT and step.config.get("to") is None:
        return True
    word = _word_of((*names_of(type_), *names_of("client")))
    return any("{" in text and word.search(snake(text)) for text in _texts(step.config))


def _word_of(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<![a-z0-9]){re.escape(name)}" for name in names))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
