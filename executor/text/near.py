"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: Longer words, and more of the known ones, are not compared: it would take long.
MAX_WORD = 60
MAX_KNOWN = 300


def near_words(word: str, known: Iterable[str]) -> list[str]:
    """Return the words that may have been meant, nearest first, at most three.

    >>> near_words("complete", ["Completed", "Scheduled"])
    ['Completed']
    """
    if len(word) > MAX_WORD:
        return []
    folded = {other.lower(): other for other in list(known)[:MAX_KNOWN]}
    return [folded[match] for match in get_close_matches(word.lower(), folded, n=3)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: what may have been meant, else what is known.

    >>> did_you_mean("titel", ["id", "title"]), did_you_mean("xy", ["id", "title"]), did_you_mean("xy", [])
    ('; did you mean title?', '; known: id, title', '')
    """
    listed = list(known)
    if near := near_words(word, listed):
        return f"; did you mean {' or '.join(near)}?"
    more = ", …" if len(listed) > 12 else ""
    return f"; known: {', '.join(name[:40] for name in listed[:12])}{more}" if listed else ""
