"""What response, waits, texts and addresses mean, without a network."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from minutehand.executor.http import ip_ranges, response
from minutehand.executor.http.ip_ranges import is_public
from minutehand.executor.http.response import HttpResponse, judge_response, retry_after_seconds
from minutehand.executor.outcome import Verdict
from minutehand.executor.text.unicode_checks import storable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("module", [response, ip_ranges])
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.DONE, (200, 201, 202, 204, 299)),
        (Verdict.RETRY, (408, 425)),
        (Verdict.DEFERRED, (429,)),
        (Verdict.PERMANENT, (300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422, 451)),
        (Verdict.UNKNOWN, (101, 500, 501, 502, 503, 504, 520, 599)),
    ],
)
def test_a_status_says_what_is_known_about_the_work(verdict, statuses):
    assert {judge_response(status) for status in statuses} == {verdict}


def test_only_a_503_is_turned_into_a_refusal_by_retry_after():
    assert judge_response(503, retry_after=0.0) is Verdict.DEFERRED
    assert {judge_response(status, retry_after=5.0) for status in (500, 502, 504)} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("999999999", 86400.0),
        ("9" * 5000, 86400.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=9), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 86400.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text, seconds):
    assert retry_after_seconds(CIMultiDict({"retry-AFTER": text}), NOW) == seconds


def test_a_reply_without_retry_after_asks_for_no_wait():
    assert retry_after_seconds({}, NOW) is None


@given(st.text())
def test_no_retry_after_is_negative_or_beyond_a_day(text):
    seconds = retry_after_seconds({"Retry-After": text}, NOW)
    assert seconds is None or 0 <= seconds <= 86400


@given(st.text(alphabet=st.characters(exclude_categories=())))
@example("a\ud800\x00b\udfff")
def test_storable_text_has_no_nul_and_fits_utf8(text):
    kept = storable(text)
    assert "\x00" not in kept
    assert kept.encode() == text.replace("\x00", "").encode("utf-8", "ignore")


def test_an_excerpt_is_short_and_survives_any_bytes():
    reply = HttpResponse(status=200, headers={}, body=b"a\x00b\xff\xed\xa0\x80" + b"c" * 9000, truncated=False)
    assert reply.excerpt.startswith("ab�")
    assert len(reply.excerpt) == 500


def test_a_failed_reply_keeps_its_status_and_its_wish():
    failure = HttpResponse(status=429, headers={"Retry-After": "7"}, body=b"slow down", truncated=False).as_failure(NOW)
    assert failure is not None
    assert (failure.verdict, failure.code, failure.retry_after_seconds) == (Verdict.DEFERRED, "busy", 7.0)
    assert failure.slow_down
    assert failure.result == {"status": 429, "response": "slow down"}
    assert HttpResponse(status=204, headers={}, body=b"", truncated=False).as_failure(NOW) is None


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://script.example/echo?token=hush#x", " to https://script.example/echo;"),
        ("https://me:hush@example.com/done", " to https://example.com/done;"),
        ("/done/", " to /done/;"),
        ("https://[", "302;"),
        ("https://example.com/" + "x" * 9000, " to https://example.com/xxx"),
        (None, "302;"),
    ],
)
def test_a_redirect_says_where_to_without_secrets_and_that_it_may_have_been_done(location, shown):
    headers = {} if location is None else {"location": location}
    failure = HttpResponse(status=302, headers=headers, body=b"", truncated=False).as_failure(NOW)
    assert failure is not None
    assert (failure.verdict, failure.code) == (Verdict.PERMANENT, "redirect")
    assert shown in failure.reason
    assert "hush" not in failure.reason
    assert len(failure.reason) < 500


PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::1", "64:ff9b::101:101"]
PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("168.63.129.16", "224.0.0.1", "224.0.1.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "64:ff9b::a00:1"),
    *("64:ff9b:1::1.1.1.1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "100::1", "4000::1"),
    *("2130706433", "127.1", "0177.0.0.1", "0x7f.0.0.1", "example.com", "", "1.1.1.1\n"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_called(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_unclear_address_may_not_be_called(address):
    assert not is_public(address)
