"""Domain names in the ASCII form that DNS, SMTP and HTTP use (IDNA 2008, with the mapping of UTS 46)."""

from __future__ import annotations

import re

from minutehand.executor.text.unicode_checks import name_invisible

#: The dots that UTS 46 reads as one.
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
#: Joiners: the rules of IDNA say where they belong to a name.
_JOINERS = {ord("\u200c"): None, ord("\u200d"): None}


class BadDomain(ValueError):
    """Not a domain name; the message completes "<domain> …"."""


def ascii_domain(domain: str) -> str:
    """Return a domain in lower case and ASCII.  A label that is ASCII stays as it is written, also `xn--…`.

    ß, ς and the joiners are letters of their own, as in browsers: Python's own codec `idna` follows the rules of 2003,
    and makes another domain of each.  Errors: `BadDomain`.

    >>> ascii_domain("Straße.Example"), ascii_domain("xn--i-7iq.ws"), ascii_domain("EXAMPLE.com")
    ('xn--strae-oqa.example', 'xn--i-7iq.ws', 'example.com')
    """
    if domain.isascii():
        return domain.lower()
    if (unseen := name_invisible(domain.translate(_JOINERS))) is not None:  # UTS 46 would drop it without a word
        raise BadDomain(f"contains an invisible character, {unseen}; type it again")
    return ".".join(map(_ascii_label, _DOTS.split(domain)))


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    import idna  # its tables are loaded when a name needs them

    try:
        return idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        hint = "if it is registered all the same, write its form that begins with xn--"
        raise BadDomain(f"has letters or signs that domain names may not have (IDNA); {hint}") from None
