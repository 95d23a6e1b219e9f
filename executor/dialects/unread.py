"""Keys of a step that nothing reads: each is a note on the step, and some are refused by name (R19).

What an action reads is declared by the action (`keys`, `refused`; executor/actions/contract.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

from minutehand.executor.actions.contract import Action, BadStep
from minutehand.executor.dialects.limits import MAX_NAME, is_empty

#: Read from the config of every action: executor/step_run.py.
_ALWAYS = frozenset({"on_uncertain"})
#: How many keys of one step are named.
_MAX_NAMED = 10


def unread_keys(action: Action, type_: str, config: dict[str, Any]) -> tuple[str, ...]:
    """Return a note for each key of a config that the action does not read.

    An action that declares no keys reads what it likes.  Errors: `BadStep` for a key that it refuses.
    """
    refused = getattr(action, "refused", {})
    for key, why in refused.items():
        if not is_empty(config.get(key)):
            raise BadStep(f"`{key}` {why}")
    if (declared := getattr(action, "keys", None)) is None:
        return ()
    given = [key for key, value in config.items() if key not in refused and not is_empty(value)]
    return tuple(unread(type_, given, {*declared, *_ALWAYS}))


def unread(type_: str, given: Collection[str], known: Collection[str], *, lists: bool = True) -> Iterator[str]:
    """Return a note for each key that is not known; `lists`: it may list those that are.

    >>> list(unread("email", ["bccc"], ["cc", "bcc", "to"])), list(unread("wait", ["colour"], ["for", "until"]))
    (['`bccc` is not read; did you mean `bcc`?'], ['`colour` is not read; wait reads for, until'])
    """
    strange = [key for key in given if key not in known]
    for key in strange[:_MAX_NAMED]:
        near = _near(key, known)
        others = f"; {type_} reads {', '.join(sorted({*known} - _ALWAYS)) or 'no key'}" if lists else ""
        yield f"`{key[:MAX_NAME]}` is not read" + (f"; did you mean `{near}`?" if near else others)
    if len(strange) > _MAX_NAMED:
        yield f"{len(strange) - _MAX_NAMED} more keys are not read"


def _near(key: str, known: Collection[str]) -> str | None:
    folded = {_folded(name): name for name in known}
    found = get_close_matches(_folded(key), folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else None


def _folded(key: str) -> str:
    return key[:MAX_NAME].replace("_", "").replace("-", "").lower()
