"""The email action against a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.actions.email import EmailAction
from minutehand.executor.email import smtp_client
from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.scheduler.demo.receivers import SmtpReceiver
from tests.contract.step_run import CLIENT, CONFIG, SENDER, LeaseLost, act, email_run, send_email, step_run


@pytest.fixture
def post() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


def text_of(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def test_the_client_gets_a_message_with_text_before_html(post):
    result = send_email(post.url)
    (mail_,) = post.messages
    message = mail_.message
    assert mail_.content.isascii()
    assert (mail_.sender, mail_.recipients) == ("no-reply@acme.example", ("client@example.com",))
    assert (message["From"], message["To"]) == ("Acme <no-reply@acme.example>", "client@example.com")
    assert message["Subject"] == "Hello Zoë <b>"
    assert message["Date"].datetime is not None
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text_of(text) == "Dear Zoë <b>,\nyour job & more is done.\n"
    assert text_of(html) == "Dear Zoë &lt;b&gt;,<br>\nyour job &amp; more is done.\n"
    key = "e1/1/email/client@example.com"
    assert result == StepResult.done(
        send=Send(
            channel="email",
            recipient="client@example.com",
            sender="no-reply@acme.example",
            key=key,
            external_id="000001",
        ),
        status=250,
        delivery="handed to 127.0.0.1",
        response="2.0.0 Ok: queued as 000001",
    )


def test_the_content_is_seven_bit_whatever_it_says(post):
    send_email(post.url, {"message": "ü" * 2000 + "\nline", "subject": "ü" * 300})
    (mail_,) = post.messages
    assert mail_.content.isascii()
    assert max(map(len, mail_.content.split(b"\r\n"))) <= 998
    assert mail_.message["Subject"] == "ü" * 300
    text, _ = mail_.message.iter_parts()
    assert text_of(text) == "ü" * 2000 + "\nline\n"


def test_dots_and_line_ends_arrive_as_written(post):
    send_email(post.url, {"message": ".\n..two\n.\r\nMAIL FROM:<x@example.com>\r.\rend"})
    (mail_,) = post.messages
    text, _ = mail_.message.iter_parts()
    assert text_of(text) == ".\n..two\n.\nMAIL FROM:<x@example.com>\n.\nend\n"


def test_html_of_ones_own_is_rendered_as_html(post):
    send_email(post.url, {"html": "<h1>{{name}}</h1>"})
    _, html = post.messages[0].message.iter_parts()
    assert text_of(html) == "<h1>Zoë &lt;b&gt;</h1>\n"


def test_equal_keys_give_equal_message_ids(post):
    for to in ("a@example.com", "a@example.com", "b@example.com"):
        send_email(post.url, {"to": to})
    first, second, other = (mail_.message["Message-ID"] for mail_ in post.messages)
    assert first == second != other
    assert first.endswith("@acme.example>")


def test_a_message_is_reserved_and_held_when_its_fate_is_unknown(post):
    run = email_run(post.url)
    act(run)
    assert (run.asked, run.reserved) == ([OnUncertain.HOLD], [True])


def test_what_is_about_to_leave_is_told_before_it_does(post):
    run = email_run(
        post.url, {"html": "<p>{{name}}</p>", "unsubscribe": "https://acme.example/u", "reply_to": "r@a.example"}
    )
    run.lost = True
    with pytest.raises(LeaseLost):
        act(run)
    (message,) = run.messages
    assert (message.channel, message.recipient, message.sender) == (
        "email",
        "client@example.com",
        "no-reply@acme.example",
    )
    assert message.content == {
        "subject": "Hello Zoë <b>",
        "text": "Dear Zoë <b>,\nyour job & more is done.",
        "html": "<p>Zoë &lt;b&gt;</p>",
        "headers": {
            "List-Unsubscribe": "<https://acme.example/u>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Reply-To": "r@a.example",
        },
    }
    assert post.connections == 0


@pytest.mark.parametrize(
    "to",
    [
        "b@example.com, a@example.com",
        ["b@example.com", "a@EXAMPLE.com"],
        ["b@example.com, a@example.com,", "b@example.com"],
        "{{list}}",
    ],
)
def test_several_recipients_get_one_message(post, to):
    result = send_email(post.url, {"to": to}, client={"list": "b@example.com,a@example.com"})
    (mail_,) = post.messages
    assert mail_.recipients == ("b@example.com", "a@example.com")
    assert mail_.message["To"] == "b@example.com, a@example.com"
    assert result.send is not None
    assert result.send.recipient == "a@example.com, b@example.com"


def test_a_domain_in_other_letters_becomes_ascii(post):
    send_email(post.url, {"to": "ann@bücher.example"})
    assert post.messages[0].recipients == ("ann@xn--bcher-kva.example",)


@pytest.mark.parametrize(
    ("client", "config", "words"),
    [
        (None, {}, "no client"),
        ({}, {}, "no client"),
        ({"name": "x"}, {}, "client has no e-mail address"),
        ({"email": None}, {}, "client has no e-mail address"),
        ({"email": "  "}, {}, "client has no e-mail address"),
        (CLIENT | {"other": ""}, {"to": "{{other}}"}, "`to` is empty"),
        (CLIENT | {"other": ""}, {"to": ["{{other}}", " , "]}, "`to` is empty"),
    ],
)
def test_nobody_to_write_to_is_said_and_nobody_is_invented(post, client, config, words):
    result = send_email(post.url, config, client=client)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "no_recipient")
    assert words in result.reason
    assert post.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "plain",
        "@example.com",
        "a@",
        "a@b@example.com",
        "a b@example.com",
        "a@exa mple.com",
        "a@-example.com",
        "a@example..com",
        "a@.example.com",
        ".a@example.com",
        "a..b@example.com",
        '"a b"@example.com',
        "a@[127.0.0.1]",
        "a@example.com\r\nRCPT TO:<x@example.com>",
        "a@example.com\nBcc: x@example.com",
        "a\x00@example.com",
        "zoë@example.com",
        "a" * 65 + "@example.com",
        "a@" + ".".join(["b" * 60] * 5),
        "\ud800@example.com",
        "ann\u200b@example.com",
        "ann@exam\u200bple.com",
        "ann@example\u00ad.com",
        "ann\u3164@example.com",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_said(post, address):
    for result in (send_email(post.url, {"to": address}), send_email(post.url, client={"email": address})):
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")
        result.reason.encode()
        assert "\n" not in result.reason
    assert post.connections == 0


def test_the_invisible_character_is_named(post):
    # IDNA itself drops it without a word, and the message would go to another domain than was typed.
    assert "exam\u200bple.com".encode("idna") == b"example.com"
    reason = send_email(post.url, {"to": "ann@exam\u200bple.com"}).reason
    assert "U+200B ZERO WIDTH SPACE" in reason
    assert "\u200b" not in reason


def test_letters_that_need_smtputf8_are_named_as_such(post):
    assert "SMTPUTF8" in send_email(post.url, {"to": "zoë@example.com"}).reason


def test_a_message_does_not_go_to_a_crowd(post):
    result = send_email(post.url, {"to": [f"a{n}@example.com" for n in range(101)]})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")


def test_a_subject_cannot_add_headers_or_recipients(post):
    send_email(post.url, client=CLIENT | {"name": "x\r\nBcc: evil@example.com\r\n\r\nbody\x00\u2028"})
    (mail_,) = post.messages
    assert mail_.message["Subject"] == "Hello x Bcc: evil@example.com body"
    assert mail_.message["Bcc"] is None
    assert mail_.recipients == ("client@example.com",)


def test_a_reply_address_is_set_and_cannot_add_headers(post):
    send_email(post.url, {"reply_to": "{{email}}"})
    assert post.messages[0].message["Reply-To"] == "client@example.com"
    with pytest.raises(BadStep, match="`reply_to`"):
        send_email(post.url, {"reply_to": "{{name}}"}, client=CLIENT | {"name": "a@example.com\r\nBcc: b@example.com"})
    assert len(post.messages) == 1


def test_a_long_unsubscribe_address_stays_whole_on_its_line(post):
    url = "https://acme.example/u/" + "t" * 800 + "?x=1&y=%20"
    send_email(post.url, {"unsubscribe": url, "marketing": True})
    (mail_,) = post.messages
    assert f"List-Unsubscribe: <{url}>\r\n".encode() in mail_.content
    assert mail_.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail_.message["Subject"] == "Hello Zoë <b>"


def test_an_address_to_write_to_has_no_one_click(post):
    send_email(post.url, {"unsubscribe": "mailto:stop@acme.example?subject=stop"})
    message = post.messages[0].message
    assert message["List-Unsubscribe"] == "<mailto:stop@acme.example?subject=stop>"
    assert message["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    "value",
    [
        "http://acme.example/u",
        "https://acme.example/u>\r\nBcc: b@example.com",
        "https://acme.example/u>, <https://evil.example",
        "https://",
        "mailto:nobody",
        "javascript:alert(1)",
        "https://acme.example/" + "u" * 1000,
        "",
    ],
)
def test_an_unsubscribe_address_that_would_not_work_stops_the_message(post, value):
    with pytest.raises(BadStep, match="`unsubscribe`"):
        send_email(post.url, {"unsubscribe": "{{url}}"}, client=CLIENT | {"url": value})
    assert post.connections == 0


def test_a_message_of_ten_megabytes_is_not_sent(post):
    for config in ({"message": "{{big}}"}, {"html": "{{big}}"}):
        result = send_email(post.url, config, client=CLIENT | {"big": "x" * 10_000_000})
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "message_too_long")
        assert "at most 1,000,000" in result.reason
    assert post.connections == 0


def test_the_customer_of_a_row_is_its_client(post):
    run = email_run(post.url)
    run.context = {"customer": CLIENT}
    assert act(run).verdict is Verdict.DONE
    assert post.messages[0].recipients == ("client@example.com",)


@pytest.mark.parametrize("config", [{"subject": "{{void}}"}, {"message": "{{void}}"}])
def test_what_is_empty_once_filled_in_is_not_sent(post, config):
    result = send_email(post.url, config, client=CLIENT | {"void": " "})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "empty_message")
    assert post.connections == 0


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"subject": None}, "subject"),
        ({"subject": " "}, "subject"),
        ({"message": 5}, "message"),
        ({"html": 5}, "html"),
        ({"to": ""}, "to"),
        ({"to": []}, "to"),
        ({"to": {"a": "b"}}, "to"),
        ({"to": ["a@example.com", None]}, "to"),
        ({"reply_to": ["a@example.com"]}, "reply_to"),
        ({"marketing": True}, "unsubscribe"),
        ({"marketing": True, "unsubscribe": " "}, "unsubscribe"),
        ({"unsubscribe": "http://acme.example"}, "unsubscribe"),
        ({"marketing": "yes", "unsubscribe": "https://acme.example"}, "marketing"),
    ],
)
def test_a_config_that_can_never_work_is_refused_by_name(config, named):
    with pytest.raises(BadStep, match=f"`{named}`"):
        EmailAction().check(CONFIG | config)
    with pytest.raises(BadStep, match=f"`{named}`"):
        send_email("smtp://127.0.0.1:1", config)


@pytest.mark.parametrize(
    ("url", "sender", "named"),
    [
        (None, "a@example.com", "set RESEND_API_KEY and EMAIL_FROM, or SMTP_URL and EMAIL_FROM"),
        ("", "a@example.com", "set RESEND_API_KEY and EMAIL_FROM, or SMTP_URL and EMAIL_FROM"),
        ("smtp://h", None, "EMAIL_FROM"),
        ("smtp://h", "no address", "EMAIL_FROM"),
        ("smtp://h", "a@example.com, b@example.com", "EMAIL_FROM"),
        ("smtp://h", "a@example.com\r\nBcc: b@example.com", "EMAIL_FROM"),
        ("http://u:hush@h", "a@example.com", "SMTP_URL"),
        ("smtp://u:hush@", "a@example.com", "SMTP_URL"),
        ("smtp://u:hush@h:99999", "a@example.com", "SMTP_URL"),
        ("smtp://u:hush@h:port", "a@example.com", "SMTP_URL"),
        ("smtp://u:hu/sh@h:25", "a@example.com", "SMTP_URL"),
        ("smtp://u:hush@h/?starttls=maybe", "a@example.com", "SMTP_URL"),
    ],
)
def test_a_missing_or_crooked_setting_is_named_and_not_shown(url, sender, named):
    result = send_email(url, sender=sender)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert named in result.reason
    assert "hush" not in repr(result)


def test_a_server_url_is_read_with_its_defaults():
    assert (smtp_client.parse_server("smtp://h").port, smtp_client.parse_server("smtps://h").port) == (587, 465)
    server = smtp_client.parse_server("smtp://me%40example.com:p%2F%3A%40w@h:25?starttls=required")
    assert (server.user, server.password, server.starttls) == ("me@example.com", "p/:@w", "required")
    assert "p/:@w" not in repr(server)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"email_via": "smtp", "resend_api_key": "re_1"}, "SMTP_URL"),
        ({"email_via": "resend", "smtp_url": "smtp://h"}, "RESEND_API_KEY"),
        ({"resend_api_key": "re_1", "email_from": None}, "EMAIL_FROM"),
        ({"resend_api_key": "re_\n1"}, "RESEND_API_KEY"),
        ({"resend_api_key": "re_1", "resend_base_url": "ftp://h"}, "RESEND_BASE_URL"),
        ({"resend_api_key": "re_1", "resend_base_url": "https://u:hush@h"}, "RESEND_BASE_URL"),
        ({"email_via": "mailgun-email"}, "SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"),
        ({"email_via": "../rest/v1", "functions_url": "https://h"}, "MINUTEHAND_EMAIL_VIA"),
    ],
)
def test_a_provider_that_is_not_set_up_is_named(settings, named):
    result = act(step_run("email", CONFIG, **{"email_from": SENDER} | settings))
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert named in result.reason
    assert "hush" not in repr(result)


def test_resend_comes_before_smtp_and_a_name_before_both(post):
    settings = {"email_from": SENDER, "smtp_url": post.url, "resend_api_key": "re_1"}
    down = step_run("email", CONFIG, **settings, resend_base_url="http://127.0.0.1:9")
    assert act(down).code == "unreachable"
    assert act(step_run("email", CONFIG, **settings, email_via="smtp")).verdict is Verdict.DONE
    assert len(post.messages) == 1
