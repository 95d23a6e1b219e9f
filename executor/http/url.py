"""The parts of a URL as it is sent: what a person wrote stays, and only what no URL may hold is encoded."""

from __future__ import annotations

import re
from urllib.parse import quote

from minutehand.executor.text.domains import ascii_domain

_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_PORT = re.compile(r":[0-9]*\Z")
#: What stays in the path, the query and the fragment: RFC 3986, with `[` and `]`, which queries hold everywhere.
_KEPT = "!$&'()*+,/:;=?@[]~#%"
#: A percent sign that begins no encoded byte: it stands for itself.
LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into scheme and authority, with the host in ASCII, and what follows, with `encode_text`.

    Errors: `ValueError`.

    >>> split_url("https://Straße.example:8443/ä b?q=50% off&x=%7E")
    ('https://xn--strae-oqa.example:8443', '/%C3%A4%20b?q=50%25%20off&x=%7E')
    """
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise ValueError("not a URL")
    authority, rest = parts["authority"], parts["rest"]
    port = _PORT.search(authority)
    host = authority[: port.start()] if port else authority
    return parts["scheme"] + ascii_domain(host) + (port[0] if port else ""), encode_text(rest)


def encode_text(text: str) -> str:
    """Encode the characters that no URL may hold: blanks, letters outside of ASCII, a lone percent sign."""
    return quote(LONE_PERCENT.sub("%25", text), safe=_KEPT)
