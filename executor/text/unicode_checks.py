"""Characters that a text may not hold: invisible ones, and those that cannot be stored.

Invisible characters come with copied text and can make two addresses look like one.
"""

from __future__ import annotations

import unicodedata

#: Invisible though they are letters or marks: Hangul fillers, the grapheme joiner, Khmer inherent vowels, selectors.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {chr(n) for n in range(0xFE00, 0xFE10)}
_SUPPLEMENT = range(0xE0100, 0xE01F0)


def is_invisible(character: str) -> bool:
    """Whether a character shows nothing: marks of direction, zero-width ones, fillers and selectors.

    >>> [is_invisible(c) for c in ("\u200b", "\u202e", "\u00ad", "\ufe0f", "a", " ", "é")]
    [True, True, True, True, False, False, False]
    """
    return (
        unicodedata.category(character) == "Cf"  # "format": bidi controls, joiners, soft hyphen, BOM, tags
        or character in _UNSEEN
        or ord(character) in _SUPPLEMENT
    )


def name_invisible(text: str) -> str | None:
    """Name the first invisible character of a text, or None.

    >>> name_invisible("ann\u200b@example.com")
    'U+200B ZERO WIDTH SPACE'
    """
    found = next((character for character in text if is_invisible(character)), None)
    return None if found is None else f"U+{ord(found):04X} {unicodedata.name(found, 'without a name')}"


def storable(text: str) -> str:
    """Return the text without NUL and lone surrogates: PostgreSQL cannot store them, UTF-8 cannot encode them."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
