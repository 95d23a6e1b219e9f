"""What is not ours in a template is text, and leaves as it was written (docs/exact.md, Placeholders and comments)."""

from __future__ import annotations

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.checks.workflow import diagnose
from minutehand.executor.dialects.placeholders import foreign_placeholders
from minutehand.executor.dialects.variables import translate
from minutehand.executor.templates.render import Renderer
from tests.journeys.app import email

ROW = {"client": {"name": "Lakeview"}, "total": 120, "yes": True}
TEXTS = [
    "<style>@media(max-width:600px){#main{width:100%}}</style>",
    "{#a{color:red}#b{color:blue}#}",
    "{# no comment #}",
    "width:{50%}",
    "https://shop.example/?q={%22a%22:1}",
    "{%7B%7D",
    "{% 5 of them",
    "{%}",
    '{"a": {"b": 1}}',
    "first\r\nsecond\rthird\nfourth\r\n",
    "# heading\n## heading",
    "## not a line comment",
    "% if it were a line statement",
    "${client.name}",
    "%{client.name}",
    "@{client.name}",
    "[[payment link]]",
    "*|CLIENT_NAME|*",
    "<%= client.name %>",
    "%client_name%",
    "{client}",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ours", ["", "{{ client.name }}", "{% if yes %}{{ client.name }}{% endif %}"])
def test_text_leaves_as_it_was_written_beside_a_tag_and_without_one(text: str, ours: str) -> None:
    shown = "Lakeview" if ours else ""
    assert Renderer().render(translate(f"{text}{ours}{text}"), ROW) == f"{text}{shown}{text}"


@pytest.mark.parametrize(
    ("template", "leaves"),
    [
        ("${{ total }}", "$120"),
        ("{client.name} #{client_name}", "Lakeview #Lakeview"),
        ("a \r\n {%- if yes -%} \r\n b \r\n {%- endif -%} \r\n c", "abc"),
        ("{% if yes %}{# a\r\n{% endif %}#}", "{# a\r\n#}"),
        ("{{ '{#' }}{{ '{%' }}{{ '{{' }}", "{#{%{{"),
        ("{{ '}}' }}{# {{ '}} {#' }}", "}}{# }} {#"),
        ("{% raw %}a{#b{% endraw %}", "a{#b"),
    ],
)
def test_only_our_own_tags_are_tags(template: str, leaves: str) -> None:
    assert Renderer().render(translate(template), ROW) == leaves


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% comment %}x{% endcomment %}", "unknown tag 'comment'"),
        ("{% include 'x' %}", "include is not allowed"),
        ("{{{ client.name }}}", r"two braces: \{\{ client.name \}\}"),
        ("{{{client.name}}}", r"two braces: \{\{ client.name \}\}"),
        ("{{! a comment }}", "line 1: unexpected char '!'"),
        ("{% raw %}{{ client.name }}{% endraw %}", "braces never leave unresolved"),
    ],
)
def test_a_tag_of_another_tool_is_refused_by_name(template: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        Renderer().render(translate(template), ROW)


def test_the_css_of_an_html_mail_arrives_whole(app, minutehand, post) -> None:
    css = (
        "<style>@media(max-width:600px){#main{width:100%}}</style><p>{#a{color:red}#b{color:blue}#} {{client.name}}</p>"
    )
    app.workflow(email(html=css))
    app.complete()
    assert minutehand.run_once()["completed"] == 1
    part = post.messages[0].message.get_body(("html",))
    assert part is not None
    assert part.get_content().strip() == css.replace("{{client.name}}", "Lakeview Hotel")


NAMED = [
    ("Dear {name},", "{name}"),
    ("Dear {first name},", "{first name}"),
    ("Dear %client_name%,", "%client_name%"),
    ("Dear %%name%%,", "%%name%%"),
    ("Dear [[name]],", "[[name]]"),
    ("Dear ${client.name},", "${client.name}"),
    ("Dear #{name},", "#{name}"),
    ("Dear @{name},", "@{name}"),
    ("Dear {$name},", "{$name}"),
    ("Dear <%= name %>,", "<%= name %>"),
    ("Dear *|FNAME|*,", "*|FNAME|*"),
    ("Dear <<name>>,", "<<name>>"),
]
PLAIN = [
    "{color:red} a{b:c} {50%} {}",
    '{"name": "Ann"} {"a": {"b": 1}}',
    "5% off, 10%, 100%sure",
    "https://x.example/?q=%C3%A4bc%20%C3%BC",
    "[the offer](https://x.example) [1] [see below]",
    "$120 ${{ job.total }} #{{ job.id }}",
    "<style>@media(max-width:600px){#main{width:100%}}</style>",
    "1 << 2 >> 3, a *|* b",
    "{{ client.name }} {% if x %}{y: z}{% endif %}",
]


@pytest.mark.parametrize(("text", "written"), NAMED)
def test_a_placeholder_of_another_tool_is_named_as_a_warning(text: str, written: str) -> None:
    steps = [{"type": "email", "config": {"subject": "Hi", "message": text}}]
    findings = diagnose({"on": True, "trigger_type": "manual", "definition": {"steps": steps}, "switches": {}}).findings
    (finding,) = [finding for finding in findings if finding.about == "templates"]
    assert (finding.level, finding.text.startswith(f"{written} looks like a placeholder")) == ("warning", True)


@pytest.mark.parametrize("text", PLAIN)
def test_css_json_percent_signs_and_links_are_no_placeholders(text: str) -> None:
    assert foreign_placeholders(text) == []


def test_the_variable_that_may_be_meant_is_named() -> None:
    assert foreign_placeholders("%client_name%") == [("%client_name%", "client.name")]
