"""Replies of mail servers: who is asked to wait, and whether for good."""

from __future__ import annotations

import doctest

import pytest

from minutehand.executor.email import smtp_replies
from minutehand.executor.email.smtp_replies import Refusal, named_delay_seconds, refusal_of


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(smtp_replies).failed == 0


@pytest.mark.parametrize(
    ("reply", "refusal"),
    [
        # It asks us to send less.
        ("421 4.7.0 Too many connections, try again later", Refusal.SLOW_DOWN),
        ("421 Too many concurrent SMTP connections; please try again later.", Refusal.SLOW_DOWN),
        ("421 4.3.2 Service not available", Refusal.SLOW_DOWN),
        ("421 Service not available, closing transmission channel", Refusal.SLOW_DOWN),
        ("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail", Refusal.SLOW_DOWN),
        ("432 4.3.2 Concurrent connections limit exceeded", Refusal.SLOW_DOWN),
        ("450 4.7.1 Error: too many messages from 192.0.2.1", Refusal.SLOW_DOWN),
        ("451 4.7.500 Server busy. Please try again later", Refusal.SLOW_DOWN),
        ("452 4.3.1 Insufficient system storage", Refusal.SLOW_DOWN),
        ("452 Insufficient system storage", Refusal.SLOW_DOWN),
        ("454 4.7.0 Too many login attempts, please try again later", Refusal.SLOW_DOWN),
        ("454 Throttling failure: Maximum sending rate exceeded.", Refusal.SLOW_DOWN),
        ("451 4.4.5 congestion", Refusal.SLOW_DOWN),
        # It wants this message later.
        ("450 4.2.0 <a@example.com>: Recipient address rejected: Greylisted", Refusal.LATER),
        ("450 4.7.1 Please try again later", Refusal.LATER),
        ("451 Greylisting in effect, please come back later", Refusal.LATER),
        ("451 graylisted, try again in 300 seconds", Refusal.LATER),
        ("452 4.5.3 Too many recipients", Refusal.LATER),
        ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that …", Refusal.LATER),
        # Our quota.
        ("454 Throttling failure: Daily message quota exceeded.", Refusal.QUOTA),
        ("550 5.4.5 Daily user sending quota exceeded.", Refusal.QUOTA),
        ("550 5.7.1 You have exceeded your sending limit per day", Refusal.QUOTA),
        ("451 4.7.1 Hourly limit of 100 messages exceeded", Refusal.QUOTA),
        ("552 Monthly message quota exceeded", Refusal.CREDITS),
        ("450 You have exceeded the limit of your plan for this month", Refusal.CREDITS),
        # Not our pace: it spends an attempt.
        ("452 4.2.2 The email account that you tried to reach is over quota", Refusal.FAULT),
        ("452 Mailbox full", Refusal.FAULT),
        ("450 4.2.1 mailbox disabled", Refusal.FAULT),
        ("450 mailbox unavailable", Refusal.FAULT),
        ("450 4.1.8 Sender address rejected: Domain not found", Refusal.FAULT),
        ("451 4.3.0 Temporary lookup failure", Refusal.FAULT),
        ("451 requested action aborted: local error in processing", Refusal.FAULT),
        ("421 4.4.2 Error: timeout exceeded", Refusal.FAULT),
        ("451 4.4.1 No answer from host", Refusal.FAULT),
        ("451 4.4.3 Temporary server error (DNS)", Refusal.FAULT),
        ("454 4.7.0 Temporary authentication failure", Refusal.FAULT),
        ("454 4.7.5 TLS not available", Refusal.FAULT),
        # For good.
        ("550 5.1.1 User unknown", Refusal.REFUSED),
        ("552 5.2.2 Mailbox full", Refusal.REFUSED),
        ("552 5.3.4 Message size exceeds fixed limit", Refusal.REFUSED),
        ("550 5.7.1 Too many bad recipients", Refusal.REFUSED),
        ("535 5.7.8 Authentication failed: too many login failures", Refusal.REFUSED),
        ("554 5.7.1 Message rejected, see http://example.com/24", Refusal.REFUSED),
    ],
)
def test_each_reply_says_who_waits(reply, refusal):
    status, words = reply.split(" ", 1)
    assert refusal_of(int(status), words) is refusal
    assert refusal_of(int(status), reply) is refusal


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("450 4.2.0 Greylisted for 300 seconds", 300),
        ("450 retry in 5 min", 300),
        ("450 come back in 2 hours", 3600),
        ("450 try again after 30s", 30),
        ("450 see section 30 of our rules", None),
        ("450 second thoughts", None),
    ],
)
def test_a_delay_is_read_from_the_words(words, seconds):
    assert named_delay_seconds(words) == seconds
