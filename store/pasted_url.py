"""Connection settings as people paste them: what is put around a value, placeholders, bare characters in passwords.

No error message quotes a value: whatever cannot be read may be a part of the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

#: A valid percent-encoded octet.
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_ASSIGNMENT = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Z_][A-Z0-9_]*(?:URL|URI|DSN|STRING|KEY))\s*[=:]\s*", re.I)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "«": "»"}
_PLACEHOLDER = re.compile(
    r"[\[<{].*[\]>}]"  # [YOUR-PASSWORD], <password>, {password}, {{ password }}
    r"|\$\{?.*\}\}?|\$[A-Z_][A-Z0-9_]*"  # ${PGPASSWORD}, ${{ secrets.PASSWORD }}, $PGPASSWORD
    r"|your[-_ ]?(?:super[-_ ]?)?(?:secret[-_ ]?)?(?:db|database|supabase|postgres)?[-_ ]?"
    r"(?:password|pass|user(?:name)?|host(?:name)?|project(?:[-_ ]?(?:ref|id))?|ref|db(?:name)?|database)"
    r"|[*•●…]+|\.{3}",
    re.I,
)
#: Within a host or a user: `db.[YOUR-PROJECT-REF].supabase.co`, `postgres.<project-ref>`, `aws-0-${REGION}`, `….co`.
_PLACEHOLDER_INSIDE = re.compile(
    r"\[[^\]:]*\]|<[^>]*>|\{[^}]*\}|\$\{|…|\.{2}|\byour[-_]?(?:project|ref|host|user)|\bproject[-_]ref\b", re.I
)


class Unreadable(ValueError):
    """A setting cannot be read; the message says which part, and what to write."""


def unwrapped(text: str) -> str:
    """Return the value without what was pasted around it: blanks, quotes, `NAME=`, a final `;`.

    >>> unwrapped(' export DATABASE_URL="postgresql://db/app"; ')
    'postgresql://db/app'
    """
    while True:
        before = text
        text = text.strip().strip("\ufeff\u200b")
        if "://" in text and "password=" not in text.lower():  # else it may be the end of the password
            text = text.rstrip(";,")
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
            text = text[1:-1]
        if assigned := _ASSIGNMENT.match(text):
            text = text[assigned.end() :]
        if text == before:
            return text


def is_placeholder(value: str, *, inside: bool = False) -> bool:
    """Say whether a value is a template's placeholder; `inside`: or has one inside.

    >>> is_placeholder("[YOUR-PASSWORD]"), is_placeholder("${PGPASSWORD}"), is_placeholder("p[a]ss")
    (True, True, False)
    """
    return bool(_PLACEHOLDER.fullmatch(value) or (inside and _PLACEHOLDER_INSIDE.search(value)))


def split_credentials(rest: str, could_follow: Callable[[str], bool]) -> tuple[str | None, str]:
    """Split what follows `scheme://` at the @ before the host; returns the credentials, or None, and the host's part.

    A bare @ in the password is found: only what `could_follow` accepts begins with a host.  If there is no such place,
    the last @ is taken, so that no part of a password is read as a host.
    """
    places = [place.start() for place in re.finditer("@", rest)]
    if not places or could_follow(rest):
        return None, rest
    at = next((at for at in places if could_follow(rest[at + 1 :])), places[-1])
    return rest[:at], rest[at + 1 :]


def unquoted(part: str, what: str) -> str:
    """Return it without its percent-encoding.  Errors: `Unreadable` where that is not UTF-8."""
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise Unreadable(f"the {what} has percent-encoded bytes that are not UTF-8: encode % as %25") from None


def decoded(part: str, what: str) -> str:
    """Return a user or a password in plain: percent-encoded, or with bare characters.

    Errors: `Unreadable` when it is both, since nothing says which `%` is meant.

    >>> decoded("p%40ss", "password"), decoded("p@ss 100%!", "password")
    ('p@ss', 'p@ss 100%!')
    """
    encoded = _ENCODED.search(part)
    bare = re.search(r"[@/?\s]|%(?![0-9A-Fa-f]{2})", part)
    if encoded and bare:
        raise Unreadable(f"the {what} has bare characters and percent-encoded ones: encode % as %25, @ as %40, / as "
                         "%2F and ? as %3F everywhere in it")  # fmt: skip
    plain = unquoted(part, what) if encoded else part
    if re.search(r"[\x00-\x1f\x7f]", plain):
        raise Unreadable(f"the {what} contains a control character or a line break")
    return plain
