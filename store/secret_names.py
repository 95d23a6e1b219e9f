"""Names of columns and keys that look like secrets: left out of default bodies, and hidden where rows are shown (R17).

A name is split into words at `_`, `-`, blanks and capitals: `passwordHash` and `password_hash` are "password hash".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

#: A name with one of these words looks like a secret.
WORDS = frozenset(
    [
        "password",
        "passwords",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "secret",
        "secrets",
        "token",
        "tokens",
        "hash",
        "salt",
        "otp",
        "totp",
        "pin",
        "credential",
        "credentials",
        "apikey",
        "jwt",
        "iban",
        "cvv",
        "cvc",
        "ssn",
    ]
)
#: So does a name with one of these words in a row.
PHRASES = (
    "api key",
    "access key",
    "private key",
    "secret key",
    "signing key",
    "encryption key",
    "service key",
    "recovery code",
    "recovery codes",
    "backup codes",
    "account number",
    "routing number",
    "card number",
    "sort code",
    "social security",
    "national insurance",
)
#: What is shown in the place of such a value.
HIDDEN = "(hidden)"

_BREAKS = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def looks_secret(name: str) -> bool:
    """Say whether a column or key looks like a secret by its name.

    >>> [looks_secret(name) for name in ("password_hash", "apiKey", "IBAN", "shipping", "hashtag", "key")]
    [True, True, True, False, False, False]
    """
    words = [word.lower() for word in _BREAKS.split(name[:200]) if word]
    phrase = f" {' '.join(words)} "
    return not WORDS.isdisjoint(words) or any(f" {wanted} " in phrase for wanted in PHRASES)


def without_secrets(value: Any, path: str = "") -> tuple[Any, list[str]]:
    """Return a JSON value without the keys that look like secrets, and the paths of those that were left out.

    >>> without_secrets({"user": {"name": "Ada", "password_hash": "x"}, "token": None})
    ({'user': {'name': 'Ada'}, 'token': None}, ['user.password_hash'])
    """
    left_out: list[str] = []
    return _without_secrets(value, path, left_out), left_out


def _without_secrets(value: Any, path: str, left_out: list[str]) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item, path, left_out) for item in value]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if item is not None and looks_secret(key):
            left_out.append(f"{path}.{key}" if path else key)
        elif isinstance(item, dict | list):
            kept[key] = _without_secrets(item, f"{path}.{key}" if path else key, left_out)
        else:
            kept[key] = item
    return kept


def hide_secrets(value: Any) -> Any:
    """Return a JSON value in which each value whose key looks like a secret is `(hidden)`; null stays null.

    So is the actual value in the result of a condition on such a field.

    >>> hide_secrets({"rows": [{"iban": "DE00", "city": "Bonn"}]})
    {'rows': [{'iban': '(hidden)', 'city': 'Bonn'}]}
    >>> hide_secrets({"field": "client.pin", "wanted": "1", "actual": "2"})
    {'field': 'client.pin', 'wanted': '1', 'actual': '(hidden)'}
    """
    if isinstance(value, list):
        return [hide_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    field = value.get("field")
    hidden = "actual" if isinstance(field, str) and looks_secret(field) else None
    return {
        key: HIDDEN if item is not None and (looks_secret(key) or key == hidden) else hide_secrets(item)
        for key, item in value.items()
    }
