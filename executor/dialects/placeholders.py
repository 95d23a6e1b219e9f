"""Placeholders of other tools in a workflow's texts: they are text here, and leave as they were written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minutehand.executor.actions.contract import Step
from minutehand.executor.dialects.variables import snake

_NAME = r"[A-Za-z_][\w]{0,40}(?:[. ][A-Za-z_]\w{0,40}){0,3}"
#: Our own tags are left out first.
_OURS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FOREIGN = re.compile(
    rf"[$#%@]\{{\s?(?P<a>{_NAME})\s?\}}|\{{[$!]?\s?(?P<b>{_NAME})\s?\}}|\[\[\s?(?P<c>{_NAME})\s?\]\]"
    rf"|\*\|(?P<d>[^|\n]{{1,60}})\|\*|<%[=-]?\s?(?P<e>{_NAME})\s?%>|<<\s?(?P<f>{_NAME})\s?>>"
    r"|(?<!%[0-9A-Fa-f]{2})%%?(?![0-9A-Fa-f]{2}%)(?P<g>[A-Za-z_][A-Za-z_.]{1,40})%%?(?![0-9A-Fa-f]{2})",
    re.ASCII,
)
#: Findings of one workflow: enough to see what is wrong.
MAX_FOUND = 10


def foreign_placeholders(text: str) -> list[tuple[str, str]]:
    """Return what looks like a placeholder of another tool, and the variable that may be meant, or "".

    >>> foreign_placeholders("Dear {name}, ${client.name} [[client_name]] {color: red} 5% off 10%")
    [('{name}', ''), ('${client.name}', 'client.name'), ('[[client_name]]', 'client.name')]
    """
    found = {}
    for match in _FOREIGN.finditer(_OURS.sub(" ", text)):
        name = next((group for group in match.groups() if group), "").strip().replace(" ", "_")
        found[match[0]] = _variable(snake(name))
    return list(found.items())


def placeholders_of(step: Step) -> Iterator[tuple[str, str]]:
    """Yield those of a step's texts; conditions are not texts."""
    texts = list(_texts({key: value for key, value in step.config.items() if key != "conditions"}))
    yield from dict(item for text in texts for item in foreign_placeholders(text)).items()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _variable(name: str) -> str:
    row, dot, field = name.partition(".") if "." in name else name.partition("_")
    return f"{row}.{field}" if dot and field and row in ("client", "customer", "job", "invoice", "company") else ""
