"""A value of a row is one part of a URL, a form or a header, and changes nothing else of the request."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.actions.email import EmailAction
from minutehand.executor.actions.webhook import WebhookAction
from minutehand.executor.email.message import unsubscribe_headers
from minutehand.executor.http.client import parse_url
from minutehand.executor.http.outgoing import encode_body
from minutehand.executor.templates.render import Renderer
from minutehand.executor.templates.urls import BadUrl
from tests.contract.acting import acted
from tests.journeys.app import App, Minutehand, email, webhook

#: What people are called, and what attackers call themselves.
VALUES = [
    *("A & B #1", "50% off", "Zoë", "x&admin=1", "../x", "a/b", "a?b", "a#b", "a=b", "a+b", "a b", "a;b", "a\\b"),
    *("line\nfeed", "tab\t", "%2e%2e", "%2F", "x\r\nHost: evil", "https://evil.example/", "@evil.example", ":80"),
    *("{{ x }}", '"quoted"', "<b>", "😀", "\u202e", "שלום", "a|b", "[1]", "&amp;", "...", ".x", "", "~-_.", "a,b"),
]
HOST = "https://api.example"


def url_of(template: str, value: Any = "v", **more: Any) -> str:
    """As the webhook sends it."""
    return str(parse_url(Renderer().render_url(template, {"v": value, **more})))


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_one_part_and_nothing_else_whatever_it_holds(value: str) -> None:
    parts = urlsplit(url_of(HOST + "/jobs/{{ v }}/notes?name={{ v }}&{{ v }}=1&fixed=%20+#{{ v }}", value))
    assert (parts.scheme, parts.netloc) == ("https", "api.example")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "jobs", value, "notes"]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert pairs == [("name", value), (value, "1"), ("fixed", "  ")]
    assert unquote(parts.fragment) == value


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40))  # as rows hold it
def test_any_text_comes_back_from_its_place(value: str) -> None:
    if value in (".", ".."):
        return
    parts = urlsplit(url_of(HOST + "/a/{{ v }}/b?q={{ v }}", value))
    assert [unquote(part) for part in parts.path.split("/")] == ["", "a", value, "b"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [value]}


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("/a/../b", "/a/../b"),
        ("/%7Ea/%2f/x%20y?q=%2B+c&d=%7e", "/%7Ea/%2f/x%20y?q=%2B+c&d=%7e"),
        ("/ä b?q=ü&r=50% off", "/%C3%A4%20b?q=%C3%BC&r=50%25%20off"),
        ("/?a[]=1&b[c]={{ v }}", "/?a[]=1&b[c]=x%26y"),
        ("/100%{{ n }}", "/100%2525"),
        ("/{{ v|raw }}?q={{ q|raw }}", "/x&y?q=a=1&b=2"),
        ("/{{ v|urlencode }}", "/x%26y"),
        ("/{{ v|upper }}", "/X%26Y"),
        ("/{{ v ~ '&z' }}", "/x%26y%26z"),
        ("/{% if n %}{{ v }}/{% endif %}{% for w in l %}{{ w }}/{% endfor %}end", "/x%26y/p%2Fq/r%3Fs/end"),
        ("/{% set w = v %}{{ w }}", "/x%26y"),
        ("/{{ n }}?t={{ t }}", "/25?t=true"),
        ("/{% if not n %}?{% endif %}{{ v }}", "/x%26y"),
        ("?q={{ v }}", "/?q=x%26y"),
        ("#{{ v }}", "/#x%26y"),
        ("/a{{ d }}", "/a.."),
        ("/{{ d }}a", "/..a"),
        ("/?x={{ d }}", "/?x=.."),
    ],
)
def test_what_a_person_wrote_stays_and_values_are_encoded(template: str, url: str) -> None:
    context = {"v": "x&y", "n": 25, "q": "a=1&b=2", "l": ["p/q", "r?s"], "t": True, "d": ".."}
    assert str(parse_url(Renderer().render_url(HOST + template, context))) == HOST + url


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("/jobs/{{ v }}", ".."),
        ("/jobs/{{ v }}/x", "."),
        ("/jobs/.{{ v }}?x", "."),
        ("/jobs/%2e{{ v }}", "."),
        ("/jobs/{{ v }};v=1", ".."),
        ("/{{ v }}#x", ".."),
        ("/{{ v }}{{ v }}/", "."),
    ],
)
def test_a_value_that_would_lead_to_another_path_is_refused(template: str, value: str) -> None:
    with pytest.raises(BadUrl, match="leads to another path") as refused:
        url_of(HOST + template, value)
    assert refused.value.code == "bad_url"


@pytest.mark.parametrize(
    "template",
    [
        "{{ u }}",
        "  {{ u }}\n",
        "{{ u|trim }}",
        "{{ u or 'https://api.example/' }}",
        "{% if u %}{{ u }}{% else %}https://api.example/{{ v }}{% endif %}",
        "{% set w = u %}{{ w }}",
    ],
)
def test_a_template_that_is_the_whole_url_is_the_url(template: str) -> None:
    WebhookAction().check({"url": template})
    whole = "https://other.example/%7Ea/../b?x=1&y=2#z"
    assert url_of(template, u=whole) == whole


IN_HOST = [
    "https://{{ v }}/",
    "https://{{ v }}.example.com/",
    "https://api.example.{{ v }}/x",
    "https://api.example:{{ v }}/x",
    "https://{{ v }}@api.example/x",
    "{{ v }}://api.example/x",
    "{{ v }}/x",
    "https://api.example{{ v }}",
    "https://api.example{{ v|raw }}",
    "{{ v }}{{ v }}",
    "{{ v }}?x={{ v }}",
    "x{{ v }}",
    "https://{% if v %}{{ v }}{% else %}api.example{% endif %}/",
    "https://api.example{% if v %}{{ v }}{% endif %}/",
    "{% for w in l %}{{ w }}{% endfor %}",
]


@pytest.mark.parametrize("template", IN_HOST)
def test_a_value_in_the_host_is_a_config_error_and_is_refused_when_it_is_rendered(template: str) -> None:
    with pytest.raises(BadStep, match="`url`: a template stands in the scheme, host or port"):
        WebhookAction().check({"url": template})
    with pytest.raises(BadUrl, match="scheme, host or port"):
        Renderer().render_url(template, {"v": "evil", "l": ["https://a.example/", "b"]})


def test_one_of_several_beginnings_without_a_host_is_a_config_error() -> None:
    with pytest.raises(BadStep, match="scheme, host or port"):
        WebhookAction().check({"url": "{% if v %}https://api.example{% endif %}/{{ v }}"})


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'https://api.example/?q=' ~ v }}",
        "{% set u = 'https://api.example/?q=' ~ v %}{{ u }}",
        "{{ l|join('/') }}",
        "{{ 'https://api.example/X'|replace('X', v) }}",
    ],
)
def test_a_url_that_is_put_together_inside_of_a_tag_is_a_config_error(template: str) -> None:
    with pytest.raises(BadStep, match="not encoded"):
        WebhookAction().check({"url": template})


def test_raw_is_refused_in_html_where_every_value_is_escaped() -> None:
    with pytest.raises(BadStep, match="raw"):
        EmailAction().check({"subject": "s", "message": "m", "html": "<a href='{{ client.link | raw }}'>"})


@pytest.mark.parametrize("value", VALUES)
def test_urlencode_makes_a_value_one_part_of_a_link_in_a_message(value: str) -> None:
    text = Renderer().render("https://api.example/{{ v|urlencode }}", {"v": value})
    assert unquote(text.rpartition("/")[2]) == value


@pytest.mark.parametrize(
    ("template", "header"),
    [
        ("https://app.example/u/{{ v }}?a=1", "<https://app.example/u/x%20%26%20%C3%BC%3E?a=1>"),
        ("mailto:stop@app.example?subject={{ v }}", "<mailto:stop@app.example?subject=x%20%26%20%C3%BC%3E>"),
        ("mailto:{{ m }}?subject=stop", "<mailto:office@app.example?subject=stop>"),
        ("mailto:stop+{{ n }}@app.example", "<mailto:stop+7@app.example>"),
        ("{{ u }}", "<https://app.example/u?a=1&b=2>"),
        ("https://straße.example/ü", "<https://xn--strae-oqa.example/%C3%BC>"),
        ("mailto:stop@straße.example", "<mailto:stop@xn--strae-oqa.example>"),
    ],
)
def test_an_unsubscribe_address_holds_its_values_as_parts(template: str, header: str) -> None:
    context = {"v": "x & ü>", "m": "office@app.example", "n": 7, "u": "https://app.example/u?a=1&b=2"}
    EmailAction().check({"subject": "s", "message": "m", "unsubscribe": template})
    rendered = Renderer().render_url(template, context)
    assert unsubscribe_headers(rendered)["List-Unsubscribe"] == header


@pytest.mark.parametrize("value", ["a@b.example,c@d.example", "no address", "a@b@c.example", "a@b.example>, <mailto:x"])
def test_a_value_that_makes_the_unsubscribe_address_another_one_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="address"):
        unsubscribe_headers(Renderer().render_url("mailto:{{ v }}?subject=stop", {"v": value}))
    with pytest.raises(BadStep, match="`unsubscribe` a template stands"):
        EmailAction().check({"subject": "s", "message": "m", "unsubscribe": "https://{{ v }}/u"})


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        ({"name": "A & B #1", "n": 7, "yes": True}, FORM, b"name=A+%26+B+%231&n=7&yes=true"),
        ({"tag": ["a", "b=c", 3], "none": []}, FORM, b"tag=a&tag=b%3Dc&tag=3"),
        ({"Zoë": "ü"}, FORM, b"Zo%C3%AB=%C3%BC"),
        ({"n": "ü"}, f"{FORM}; charset=iso-8859-1", b"n=%FC"),
        ({}, FORM.upper(), b""),
        ("a=1&b=x y", FORM, b"a=1&b=x y"),
        ("<a>ü</a>", "application/xml", "<a>ü</a>".encode()),
        ("<a>ü</a>", "text/xml; charset=ISO-8859-1", b"<a>\xfc</a>"),
        ("--x\r\n…", "multipart/form-data; boundary=x", "--x\r\n…".encode()),
        ({"a": "ü"}, "application/json", '{"a": "ü"}'.encode()),
        ({"a": 1}, "application/vnd.api+json; charset=utf-8", b'{"a": 1}'),
        ([1], "text/plain", b"[1]"),
        ({"a": 1}, None, b'{"a": 1}'),
        ("text", None, b"text"),
    ],
)
def test_a_body_is_encoded_as_its_content_type_says(body: Any, kind: str | None, data: bytes) -> None:
    encoded, sent_kind = encode_body(body, kind)
    assert encoded == data
    assert sent_kind == kind or kind is None


@pytest.mark.parametrize(
    ("body", "kind", "named"),
    [
        ({"client": {"name": "x"}}, FORM, "a form cannot hold an object, as in 'client'"),
        ({"rows": [["x"]]}, FORM, "a form cannot hold a list, as in 'rows'"),
        ({"phone": None}, FORM, "a form cannot hold null, as in 'phone'"),
        (["a"], FORM, "`body` is a list; a form needs an object"),
        ({"a": 1}, "multipart/form-data", "`body` is an object, which cannot be written as multipart/form-data"),
        ({"a": 1}, "application/xml", "cannot be written as application/xml"),
        ({"a": 1}, "text/xml; charset=utf-8", "cannot be written as text/xml"),
        ([1], "application/soap+xml", "`body` is a list, which cannot be written as application/soap"),
        (7, "application/octet-stream", "`body` is a number"),
        ("€", "text/plain; charset=iso-8859-1", "cannot be written in iso-8859-1"),
        ({"a": "€"}, f"{FORM}; charset=iso-8859-1", "cannot be written in iso-8859-1"),
        ("x", "text/plain; charset=moon", "the charset moon"),
    ],
)
def test_a_body_that_its_content_type_cannot_hold_is_refused_by_name(body: Any, kind: str, named: str) -> None:
    with pytest.raises(BadStep) as refused:
        encode_body(body, kind)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", {"file": "{{ job.photo }}"}),
        ("Application/XML", {"a": "{{ job.id }}"}),
        (FORM, {"client": {"name": "{{ client.name }}"}}),
        ("text/plain; charset=moon", "x"),
    ],
)
def test_a_body_that_can_never_be_written_is_a_config_error(kind: str, body: Any) -> None:
    with pytest.raises(BadStep, match="`body`"):
        WebhookAction().check({"url": HOST, "headers": {"Content-Type": kind}, "body": body})
    with pytest.raises(BadStep, match="`body`"):  # the default body is an object
        WebhookAction().check({"url": HOST, "headers": {"Content-Type": "application/xml"}})
    WebhookAction().check({"url": HOST, "headers": {"Content-Type": FORM}, "body": {"a": "{{ client }}", "b": [1]}})
    WebhookAction().check({"url": HOST, "headers": {"Content-Type": "{{ job.kind }}"}, "body": body})
    WebhookAction().check({"url": HOST, "headers": {"Content-Type": "application/json"}})


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "Zoë", "→", "😀", "\x00", "\ud800"])
def test_a_header_that_cannot_be_sent_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadStep, match="header `x-name`"):
        acted("webhook", {"url": "http://127.0.0.1:1/", "headers": {"x-name": "{{word}}"}}, words={"word": value})


def test_from_the_row_to_the_receiver_and_to_lint(app: App, minutehand: Minutehand, shop: Any, post: Any) -> None:
    app.workflow(
        webhook(shop.url + "/hook/{{ client.name }}?name={{ client.name }}", method="GET"),
        webhook(shop.url, headers={"Content-Type": FORM}, body={"name": "{{ client.name }}", "job": "{{ job.id }}"}),
        email(marketing=True, unsubscribe="https://app.example/u?who={{ client.name }}"),
    )
    app.workflow(webhook("https://{{ client.name }}.example/"), name="Host", trigger_type="job_created")
    for number, name in enumerate(VALUES):
        row = (f"V-{number}", "north", name.replace("\x00", ""), "c@example.com")
        app.database.sql("insert into clients values (%s, %s, %s, %s)", *row)
        app.complete(client=f"V-{number}")
    summary = minutehand.run_once("--drain")
    assert summary["completed"] == len(VALUES) == len(post.messages)
    gets = [urlsplit(request.path) for request in shop.requests if request.method == "GET"]
    assert sorted(parse_qsl(get.query, keep_blank_values=True)[0][1] for get in gets) == sorted(VALUES)
    assert sorted(unquote(get.path.removeprefix("/hook/")) for get in gets) == sorted(VALUES)
    forms = [request for request in shop.requests if request.method == "POST"]
    assert {form.headers["content-type"] for form in forms} == {FORM}
    assert sorted(parse_qs(form.body.decode(), keep_blank_values=True)["name"][0] for form in forms) == sorted(VALUES)
    links = [mail.message["List-Unsubscribe"] for mail in post.messages]
    assert sorted(links) == sorted(f"<https://app.example/u?who={quote(name, safe='')}>" for name in VALUES)
    ends = app.database.sql(
        "select distinct status, code from automation_execution_logs where trigger_type = 'job_created'"
    )
    assert ends == [{"status": "failed", "code": "bad_workflow"}]
    listed = minutehand("workflows", "ls", "-o", "json")
    problems = {row["name"]: row["problems"] for row in json.loads(listed.stdout)}
    assert "a template stands in the scheme, host or port" in str(problems["Host"])
