"""How many SMS segments a text takes, and in which alphabet (3GPP TS 23.038, 23.040)."""

from __future__ import annotations

from dataclasses import dataclass

#: The default alphabet; each is one septet.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: The extension table; each is two septets, which stay together.
_EXTENDED = frozenset("^{}\\[~]|€\f")
#: Units of a text of one segment, and of each segment of a longer text, whose header takes the rest.
_ROOM = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """The encoding of a text, and its number of segments."""

    encoding: str
    count: int


def segments(text: str) -> Segments:
    """Count a text's segments.

    >>> segments("a" * 160), segments("a" * 161), segments("€" * 81)
    (Segments(encoding='GSM-7', count=1), Segments(encoding='GSM-7', count=2), Segments(encoding='GSM-7', count=2))
    >>> segments("ж" * 70), segments("ж" * 71)
    (Segments(encoding='UCS-2', count=1), Segments(encoding='UCS-2', count=2))
    """
    if all(character in _GSM or character in _EXTENDED for character in text):
        encoding, sizes = "GSM-7", [2 if character in _EXTENDED else 1 for character in text]
    else:
        encoding, sizes = "UCS-2", [2 if ord(character) > 0xFFFF else 1 for character in text]
    single, each = _ROOM[encoding]
    if sum(sizes) <= single:
        return Segments(encoding, 1)
    count, left = 1, each
    for size in sizes:
        if size > left:  # a character of two units is not split
            count, left = count + 1, each
        left -= size
    return Segments(encoding, count)
