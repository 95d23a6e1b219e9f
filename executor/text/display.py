"""Text for people, with the characters made visible that would act on what shows them.

A terminal obeys control characters, and lines are reordered by controls of direction (bidi).  Names, reasons and rows
come from users of the app.
"""

from __future__ import annotations

import re
from typing import Any

from minutehand.store.json import shown_text

#: C0 and C1 control characters and DEL; controls of direction; line and paragraph separators; lone surrogates, which
#: UTF-8 cannot encode.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def escaped(text: str, *, keep: str = "") -> str:
    r"""Return the text as one line: unsafe characters as escapes, except those of `keep`.

    >>> print(escaped("a\n\x1b[2Jb\x9b\u202ec"))
    a\n\x1b[2Jb\x9b\u202ec
    """
    return _UNSAFE.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), text)


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    r"""Return a value as JSON that a terminal shows as it is: unsafe characters are JSON's own escapes.

    >>> print(json_text({"name": "Zoë \x7f\u202e"}))
    {"name": "Zoë \u007f\u202e"}
    """
    text = shown_text(value, indent=indent, sort_keys=sort_keys)  # it escapes C0; line breaks are its own
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def has_unsafe(text: str) -> bool:
    """Return whether a text has a character that `escaped` escapes.

    >>> [has_unsafe(text) for text in ("Zoë", "a\u202eb")]
    [False, True]
    """
    return _UNSAFE.search(text) is not None


def _escape(character: str) -> str:
    code = ord(character)
    return _NAMES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
