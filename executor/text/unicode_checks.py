"""Characters that a text may not hold: invisible ones, and those that cannot be stored.

Invisible characters come with copied text and can make two addresses look like one.
"""

from __future__ import annotations

import unicodedata

#: Invisible though they are letters or marks: Hangul fillers, the grapheme joiner, Khmer inherent vowels, selectors.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {chr(n) for n in range(0xFE00, 0xFE10)}
_SUPPLEMENT = range(0xE0100, 0xE01F0)
#: Override the order in which text is shown: what a person saw and approved is not what is written.
OVERRIDES = frozenset("\u202d\u202e")


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


def trim_unseen(text: str) -> str:
    r"""Return the text without blanks and invisible characters at its ends.  Overrides stay, to be refused.

    >>> trim_unseen("\ufeff\u00a0ann@example.com \u200b"), trim_unseen("\u202ea ")
    ('ann@example.com', '\u202ea')
    """
    begin, end = 0, len(text)
    while begin < end and _is_trimmed(text[begin]):
        begin += 1
    while begin < end and _is_trimmed(text[end - 1]):
        end -= 1
    return text[begin:end]


def _is_trimmed(character: str) -> bool:
    return character.isspace() or (is_invisible(character) and character not in OVERRIDES)


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
