"""Phone numbers, segments and what nobody sees, without a network."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.executor.actions import recipients
from minutehand.executor.email import message
from minutehand.executor.email import recipients as addresses
from minutehand.executor.providers import responses
from minutehand.executor.sms import phone_numbers, sms_segments
from minutehand.executor.sms.phone_numbers import BadNumber, BadRegion, to_e164
from minutehand.executor.text import unicode_checks


@pytest.mark.parametrize(
    "module", [unicode_checks, message, addresses, phone_numbers, recipients, sms_segments, responses]
)
def test_the_examples_in_the_docstrings_hold(module):
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("+12025550123", None),
        ("+1 (202) 555-0123", None),
        ("+1-202-555-0123", "DE"),
        ("1 202 555 0123", "US"),
        ("(202) 555-0123", "us"),
        ("202.555.0123", " US "),
        ("202/555/0123", "US"),
        ("202\u2011555\u20130123", "US"),  # the dashes of word processors
        ("202\u00a0555\u00a00123", "US"),
        ("＋１２０２５５５０１２３", None),  # noqa: RUF001
        ("٢٠٢٥٥٥٠١٢٣", "US"),
        ("\u202a+1 202 555 0123\u202c", None),  # as phones' contact apps copy them
        ("\u2066+1\u200e202\u200f5550123\u2069\ufeff", None),
        ("\u200b2025550123", "US"),
        (" 2025550123\n", "US"),
        ("011 1 202 555 0123", "US"),
    ],
)
def test_however_it_is_written_a_number_has_one_form(written, region):
    assert to_e164(written, region) == "+12025550123"


def test_a_region_reads_its_own_numbers():
    assert to_e164("030 901820", "DE") == "+4930901820"
    assert to_e164("0049 30 901820", "DE") == "+4930901820"
    assert to_e164("0049 30 901820", None) == to_e164("0049 30 901820", "US") == "+4930901820"
    assert to_e164("07400 123456", "GB") == "+447400123456"


@pytest.mark.parametrize("written", ["2025550123", "(202) 555-0123"])
def test_a_number_without_a_country_is_refused_and_the_setting_named(written):
    with pytest.raises(BadNumber, match="MINUTEHAND_PHONE_REGION"):
        to_e164(written, None)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "-",
        "call me",
        "1-800-FLOWERS",
        "n/a",
        "call 202 555 0123",
        "202 555 0123, 202 555 0124",
        "202 555 0123 / 202 555 0124",
        "202 555 0123; rm",
        "+1 202 555 0123\nBcc: x",
        "+1202555012",
        "+120255501234",
        "555 0123",
        "+999 1234567",
        "++12025550123",
        "+1+2025550123",
        "1" * 100,
        "+" + "1" * 1_000_000,
        "\u202e3210555202",
        "+1202\u202d5550123",
        "+1 202 555 0123 x12",
        "+1 202 555 0123 ext. 12",
        "+1 202 555 0123;12",
        "client@example.com",
        "{{client.phone}}",
        "\ud800",
        "\x002025550123",
    ],
)
def test_what_is_no_number_is_refused_and_nothing_is_dug_out_of_it(written):
    with pytest.raises(BadNumber) as refused:
        to_e164(written, "US")
    shown = str(refused.value)
    shown.encode()
    assert len(shown) < 200
    assert not any(unicode_checks.is_invisible(character) for character in shown)


def test_an_extension_and_an_override_are_named():
    with pytest.raises(BadNumber, match="extension"):
        to_e164("+1 202 555 0123 ext 4", None)
    with pytest.raises(BadNumber, match="reverses its digits"):
        to_e164("\u202e+1 202 555 0123", None)


@pytest.mark.parametrize("region", ["XX", "USA", "1", "u s"])
def test_a_region_that_is_no_country_is_named(region):
    with pytest.raises(BadRegion, match="MINUTEHAND_PHONE_REGION"):
        to_e164("+12025550123", region)


@given(st.text(max_size=40), st.sampled_from([None, "US", "DE"]))
def test_any_text_is_a_number_or_refused(text, region):
    try:
        found = to_e164(text, region)
    except BadNumber:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{5,16}", found)
    assert to_e164(found, None) == found


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("a" * 1530, "GSM-7", 10),
        ("a" * 1531, "GSM-7", 11),
        ("äöüßàéÇ\n@£Δ", "GSM-7", 1),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        # 152 + 2 do not fit into 153: the escape and its character stay together.
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 2),
        ("ç", "UCS-2", 1),  # only its capital is in the alphabet
        ("a" * 69 + "ж", "UCS-2", 1),
        ("a" * 70 + "ж", "UCS-2", 2),
        ("’" + "a" * 70, "UCS-2", 2),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("😀" * 66, "UCS-2", 2),
        ("😀" * 67, "UCS-2", 3),  # 33 pairs to a segment of 67: a pair is not torn
    ],
)
def test_segments_are_counted_as_networks_do(text, encoding, count):
    assert sms_segments.segments(text) == sms_segments.Segments(encoding, count)
