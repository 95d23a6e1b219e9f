"""Phone numbers, as people and contact apps write them, in the form E.164.

phonenumbers is imported by the first number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from minutehand.executor.text.unicode_checks import OVERRIDES, is_invisible, storable

if TYPE_CHECKING:
    import phonenumbers

#: A number and nothing else: phonenumbers finds one in any text.
_WRITTEN = re.compile(r"\+?[\d\s().\-‐‑‒–—―−/·]*\d[)\s]*")  # noqa: RUF001  (dashes that people type)
_EXTENSION = re.compile(r"(?i)\d\s*[,;]?\s*(x|ext|extension|#)[.:=\s]*\d+\s*$")
_SCHEME = re.compile(r"(?i)(tel|sms|phone):\s*")
#: Between two numbers.
_SEPARATED = re.compile(r"[,;|\n](?=\D*(?:\d\D*){6,}$)|(?<=\d)\s+(?=\+\d)")
#: The longest number, as written.
_MAX_LENGTH = 64


class BadNumber(ValueError):
    """Not a phone number that an SMS can be sent to; the message shows it."""


class BadRegion(ValueError):
    """MINUTEHAND_PHONE_REGION is not a country."""


def to_e164(text: str, region: str | None) -> str:
    """Return a phone number in E.164.  Without `+` it is read as one of `region`'s (two letters of ISO 3166).

    Only the length is checked, not whether the range is in use: the provider knows that.
    Errors: `BadNumber`, `BadRegion`.

    >>> to_e164("(202) 555-0123", "US"), to_e164("\\u202a+49 30 901820\\u202c", None)
    ('+12025550123', '+4930901820')
    """
    import phonenumbers

    region = _region(region)
    number = _bare(text)
    shown = storable(text.strip())[:_MAX_LENGTH]
    if number.startswith("00") and region is None:
        number = f"+{number[2:]}"
    if region is None and not number.startswith("+"):
        raise BadNumber(f"{shown} has no country code: write it with + and the code, or set MINUTEHAND_PHONE_REGION")
    try:
        parsed = _parse(number, region)
    except phonenumbers.NumberParseException:
        raise BadNumber(f"{shown} is not a phone number") from None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadNumber(f"{shown} is not a complete phone number: too few or too many digits for its country")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _parse(number: str, region: str | None) -> phonenumbers.PhoneNumber:
    """Read a number.  `00` is read as `+`, also where people dial something else to call abroad."""
    import phonenumbers

    if number.startswith("00"):
        source = phonenumbers.parse(number, region, keep_raw_input=True).country_code_source
        if source == phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY:
            number = f"+{number[2:]}"
    return phonenumbers.parse(number, region)


def _bare(text: str) -> str:
    """Return the number without invisible characters.  Errors: `BadNumber`."""
    shown = storable("".join(c for c in text if not is_invisible(c)).strip())[:_MAX_LENGTH]
    if not OVERRIDES.isdisjoint(text):
        raise BadNumber(f"{shown} contains a character that reverses its digits (U+202D or U+202E)")
    number = unicodedata.normalize("NFKC", "".join(c for c in text if not is_invisible(c))).strip()
    number = _SCHEME.sub("", number)
    if len(_SEPARATED.split(number)) > 1:
        raise BadNumber(f"{shown} is more than one number; an SMS has one recipient, so use a step for each")
    if _EXTENSION.search(number):
        raise BadNumber(f"{shown} has an extension, which an SMS cannot reach")
    if len(number) > _MAX_LENGTH or not _WRITTEN.fullmatch(number):
        raise BadNumber(f"{shown} is not a phone number")
    return number


def _region(region: str | None) -> str | None:
    import phonenumbers

    if not region:
        return None
    region = region.strip().upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise BadRegion("MINUTEHAND_PHONE_REGION must be a country's two letters: US, DE, …")
    return region
