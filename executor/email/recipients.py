"""Who gets an e-mail: the addresses of a text as people write them, each read to one form.

The columns and templates of apps contain `Ann Lee <ann@x.example>`, several addresses in one text, `mailto:`, and
blanks and invisible characters that came with a copy.  sql/internal/recipients.sql reads the same forms, for opt-outs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from minutehand.executor.email.message import BadAddress, one_line, parse_address
from minutehand.executor.text.unicode_checks import trim_unseen

#: One address with its name, which may contain separators in quotes.
_PIECE = r"""(?:"(?:[^"\\]|\\.)*"|<[^<>]*>|[^",;<>])"""
_LIST = re.compile(rf"(?:{_PIECE}|[,;])*", re.DOTALL)
_ONE = re.compile(rf"{_PIECE}+", re.DOTALL)
_NAMED = re.compile(r"""(?:"(?:[^"\\\r\n]|\\.)*"|[^<>":\r\n])*<(?P<address>[^<>]*)>""")


def read_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    r"""Return the addresses of texts, each once, in their order.  Errors: `BadAddress`.

    >>> read_addresses(['"Lee, Ann" <ann@x.example>; mailto:b@x.example', " ANN@X.EXAMPLE\u200b "])
    ('ann@x.example', 'b@x.example')
    """
    found: dict[str, str] = {}
    for text in texts:
        for part in _split(text):
            address = read_address(part)
            found.setdefault(address.lower(), address)
    return tuple(found.values())


def read_address(text: str) -> str:
    """Return the one address of a text, without its name.  Errors: `BadAddress`.

    >>> read_address("Ann Lee <mailto:Ann@X.Example>")
    'Ann@x.example'
    """
    written = trim_unseen(text)
    if named := _NAMED.fullmatch(written):
        written = trim_unseen(named["address"])
    elif "<" in written or ">" in written:
        raise BadAddress(f"{one_line(written)[:500]} is not an e-mail address; write it as Ann Lee <ann@example.com>")
    if written[:7].lower() == "mailto:":
        written = trim_unseen(written[7:].partition("?")[0])
    return parse_address(written)


def _split(text: str) -> list[str]:
    """Return the parts of a text between `,` and `;`; a text with an open quote or bracket is one part."""
    if not _LIST.fullmatch(text):
        return [text]
    return [part for part in _ONE.findall(text) if trim_unseen(part)]
