"""The variables that apps write in templates, in the one style that is rendered: `{{ client.first_name }}`.

Other syntaxes are `{company.name}`, `[payment link]` and Handlebars' `{{#if x}}`: `translate` rewrites them once, when
the steps are read.  Other names are `{{client_name}}`, `{{client.firstName}}` and `{{customer_phone}}`: the renderer
finds them with `lookup` and `lookup_child`.  An unknown name is an error that names it (R14).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from minutehand.executor.templates.filters import NOTHING, child

#: Row names that may begin a variable in single braces or brackets; any other `{word}` is JSON, CSS or prose.
_ROW_NAMES = (
    *("client", "customer", "job", "invoice", "estimate", "payment", "company", "organization", "review", "survey"),
    *("technician", "appointment", "task", "lead", "quote", "booking", "user", "trigger", "workflow", "old"),
)
_ROOT = "|".join(_ROW_NAMES)
#: Two names of the same row.
_SYNONYMS = {"customer": "client", "client": "customer"}
#: Flat names that are not a row and a field joined by `_`.
_FLAT_NAMES = {
    "job_date": ("job", "scheduled_date"),
    "job_time": ("job", "scheduled_time"),
    "job_technician": ("technician", "name"),
    "appointment_date": ("job", "scheduled_date"),
    "appointment_time": ("job", "scheduled_time"),
    "payment_link": ("invoice", "payment_link"),
}
#: Other names of fields.
_FIELD_SYNONYMS = {"appointment_time": "scheduled_time", "appointment_date": "scheduled_date"}
#: Longer names are not looked up: trying all splits would take long.
_MAX_NAME = 100
#: How many words of a flat name may be its row: `service_call_title`.
_MAX_CUTS = 4

#: `{client.name}`, `{client_name}`; not `{client}`, which is prose, nor `${client.name}` of another tool.
_SINGLE = (
    rf"(?<![$%@])\{{ ?(?P<name>(?:{_ROOT})(?:[A-Z]\w{{0,60}}|_\w{{1,60}}|\.[A-Za-z_]\w{{0,60}})"
    r"(?:\.[A-Za-z_]\w{0,60}){0,5}) ?\}"
)
#: `[payment link]`; not `[payment link](https://…)`, which is a link, nor `[[payment link]]` of another tool.
_BLANK = (
    rf"(?<!\[)\[(?P<blank>(?i:(?:{_ROOT})[ _][a-z]{{1,20}}(?:[ _][a-z]{{1,20}})?|[a-z]{{1,20}}[ _]link))\](?![\](])"
)
_OUTSIDE = re.compile(rf"{_SINGLE}|{_BLANK}", re.ASCII)
_PATH = r"([A-Za-z_][\w.]{0,200})"
_HANDLEBARS = (
    (re.compile(rf"\{{\{{~?\s*#if\s+{_PATH}\s*~?\}}\}}"), r"{% if \1 %}"),
    (re.compile(rf"\{{\{{~?\s*#unless\s+{_PATH}\s*~?\}}\}}"), r"{% if not \1 %}"),
    (re.compile(rf"\{{\{{~?\s*else\s+if\s+{_PATH}\s*~?\}}\}}"), r"{% elif \1 %}"),
    (re.compile(r"\{\{~?\s*else\s*~?\}\}"), "{% else %}"),
    (re.compile(r"\{\{~?\s*/(?:if|unless)\s*~?\}\}"), "{% endif %}"),
)
_CLOSING = {"{{": "}}", "{%": "%}"}
_OPENING = re.compile(r"\{(?:\{|%(?=[-+]?\s*[A-Za-z_]))")


def translate(text: str) -> str:
    """Rewrite a text's variables in the style that is rendered.  Translating twice changes nothing more.

    >>> translate("Hi {client.firstName}: [payment link] {{#if job_id}}#{{job_id}}{{/if}} {color: red}")
    'Hi {{ client.firstName }}: {{ payment_link }} {% if job_id %}#{{job_id}}{% endif %} {color: red}'
    """
    if "{" not in text and "[" not in text:
        return text
    parts, at = [], 0
    while opening := _OPENING.search(text, at):
        closing = text.find(_CLOSING[opening[0]], opening.end())
        if closing < 0:
            break  # unchanged: the renderer reports the error
        parts += [_outside(text[at : opening.start()]), _inside(text[opening.start() : closing + 2])]
        at = closing + 2
    else:
        return "".join([*parts, _outside(text[at:])])
    return "".join([*parts, _outside(text[at : opening.start()]), text[opening.start() :]])


def translate_value(value: Any) -> Any:
    """Translate every text inside a JSON value, into a copy."""
    if isinstance(value, str):
        return translate(value)
    if isinstance(value, list):
        return [translate_value(item) for item in value]
    if isinstance(value, dict):
        return {key: translate_value(item) for key, item in value.items()}
    return value


def _outside(text: str) -> str:
    """A part outside of double braces."""
    return _OUTSIDE.sub(lambda found: f"{{{{ {found['name'] or found['blank'].lower().replace(' ', '_')} }}}}", text)


def _inside(part: str) -> str:
    """A part in double braces: Jinja's own, or Handlebars'."""
    for pattern, written in _HANDLEBARS:
        if pattern.fullmatch(part):
            return pattern.sub(written, part)
    return part


def snake(name: str) -> str:
    """`firstName` is `first_name`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def names_of(row: str) -> tuple[str, ...]:
    """Return the names by which templates reach a row, in the row's spelling.

    >>> names_of("customer"), names_of("invoice")
    (('customer', 'client'), ('invoice', 'payment_link'))
    """
    flat = [name for name, (holder, _) in _FLAT_NAMES.items() if holder == row and not name.startswith(row)]
    return (snake(row), *([_SYNONYMS[row]] if row in _SYNONYMS else []), *flat)


def lookup(context: Mapping[str, Any], name: str) -> Any:
    """Look up a first-level name that the context does not have literally; `NOTHING` when it has no other meaning.

    `customer` is `client`, `client_first_name` is `client.first_name`, `invoice_number` is `invoice.invoice_number`.
    """
    if len(name) > _MAX_NAME:
        return NOTHING
    word = snake(name)
    paths: list[tuple[str, ...]] = [_FLAT_NAMES[word]] if word in _FLAT_NAMES else []
    paths.append((word,))
    for cut in [match.start() for match in re.finditer("_", word)][:_MAX_CUTS]:
        paths += [(word[:cut], word[cut + 1 :]), (word[:cut], word)]
    for root, *field in paths:
        for holder in (root, _SYNONYMS.get(root, root)):
            value = context.get(holder, NOTHING)
            if field and value is not NOTHING:
                value = lookup_child(value, field[0])
            if value is not NOTHING:
                return value
    return NOTHING


def lookup_child(value: Any, key: str | int) -> Any:
    """Look up one key of a path in JSON, literally, else in the row's spelling."""
    found = child(value, key)
    if found is NOTHING and isinstance(key, str) and len(key) <= _MAX_NAME:
        word = snake(key)
        found = child(value, word)
        if found is NOTHING and word in _FIELD_SYNONYMS:
            found = child(value, _FIELD_SYNONYMS[word])
    return found
