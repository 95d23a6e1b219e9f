"""Header fields of an e-mail, written so that every reader finds in them what was meant (RFC 5322, RFC 2047).

The library's e-mail policies are not used for this: where one folds a long name it drops the quotes around it, and a
comma in the name then separates two senders.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from email.headerregistry import Address
from itertools import groupby

#: Characters of a line (RFC 5322 §2.1.1).
MAX_LINE = 78
#: Bytes of one encoded word: with its frame they are 72 characters of the 75 that RFC 2047 §2 allows.
_WORD_BYTES = 45
#: RFC 5322 §3.2.3: a word that needs no quotes; §3.2.4: what is escaped within them.
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_SPECIAL, _ESCAPED = re.compile(r'["\\]'), r"\\\g<0>"


def text_field(name: str, text: str) -> str:
    """Return a field of text, such as Subject.  The text is one line.

    >>> text_field("Subject", "Your job is done")
    'Subject: Your job is done\\r\\n'
    """
    words = text.split(" ")
    is_plain = text.isascii() and "=?" not in text
    if is_plain and (len(name) + 2 + len(text) <= MAX_LINE or all(0 < len(word) < MAX_LINE for word in words)):
        return _folded(name, words)
    return _folded(name, _encoded_words(text))


def address_field(name: str, addresses: Sequence[Address]) -> str:
    """Return a field of addresses, such as From.

    >>> address_field("From", [Address("Heating, Inc.", addr_spec="no-reply@acme.example")])
    'From: "Heating, Inc." <no-reply@acme.example>\\r\\n'
    """
    parts: list[str] = []
    for number, address in enumerate(addresses, 1):
        parts += _name(address.display_name)
        spec = f"<{address.addr_spec}>" if address.display_name else address.addr_spec
        parts.append(spec if number == len(addresses) else f"{spec},")
    return _folded(name, parts)


def _name(name: str) -> Iterator[str]:
    """Return a name as words, between which the field may be folded."""
    words = name.split(" ")
    if name.isascii() and "=?" not in name and all(0 < len(word) < MAX_LINE for word in words):
        yield from words if all(map(_ATOM.fullmatch, words)) else f'"{_SPECIAL.sub(_ESCAPED, name)}"'.split(" ")
    elif "" in words:
        yield from _encoded_words(name)
    else:
        # Only what must be: some readers keep the blank between two encoded words, which is none of the name's.
        for is_atom, run in groupby(words, _is_short_atom):
            same = list(run)
            yield from same if is_atom else _encoded_words(" ".join(same))


def _is_short_atom(word: str) -> bool:
    return len(word) < MAX_LINE and "=?" not in word and bool(_ATOM.fullmatch(word))


def _encoded_words(text: str) -> Iterator[str]:
    """Encode a text as words, which end where its own words do if they can; readers join them without blanks."""
    piece = b""
    for part in re.findall(r"\S*\s*", text):
        characters = [part] if len(part.encode()) <= _WORD_BYTES else list(part)
        for encoded in map(str.encode, characters):
            if len(piece) + len(encoded) > _WORD_BYTES:
                yield _encoded_word(piece)
                piece = b""
            piece += encoded
    if piece:
        yield _encoded_word(piece)


def _encoded_word(text: bytes) -> str:
    return f"=?utf-8?b?{b64encode(text).decode()}?="


def _folded(name: str, parts: Iterator[str] | Sequence[str]) -> str:
    """Join the parts of a field by blanks, and begin a new line where one would be too long."""
    lines, line, is_first = [], f"{name}:", True
    for part in parts:
        if not is_first and len(line) + 1 + len(part) > MAX_LINE:
            lines.append(line)
            line = ""
        line, is_first = f"{line} {part}", False
    return "\r\n".join([*lines, line]) + "\r\n"
