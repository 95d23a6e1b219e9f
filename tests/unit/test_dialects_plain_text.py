"""HTML made readable as plain text, in a time that does not grow with the square of its length."""

from __future__ import annotations

import time

import pytest

from minutehand.executor.dialects.limits import MAX_TEXT
from minutehand.executor.dialects.plain_text import is_html, without_tags
from minutehand.executor.dialects.variables import translate


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b<br>c<br/>d</p>", "a\n\nb\nc\nd"),
        ("<div>a &amp; b &lt;c&gt;\n  d</div>", "a & b <c> d"),
        ('<a class="x" href="https://a.example/?b=1&amp;c=2">pay</a>', "pay (https://a.example/?b=1&c=2)"),
        ("<a href='{{ link }}'>x</a> <a href={{link}}>y</a> <a name='z'>z</a>", "x ({{ link }}) y ({{link}}) z"),
        ("<p>{% if a %}{{ b|replace('<br>', '') }}{% endif %}</p>", "{% if a %}{{ b|replace('<br>', '') }}{% endif %}"),
        ("<head><title>no</title></head><style>p {color: red}</style><b>yes</b><script>no()</script>", "yes"),
        ("<p>a<!-- <p>b</p> -->c", "ac"),
        ("<p>a</p></a></style>b", "a\nb"),
        ("<ul><li>a</li><li>b</li></ul>", "a\n\nb"),
        ("<p>\ue0000\ue001</p>", "0"),
    ],
)
def test_the_words_of_an_html_text_stay(html: str, text: str) -> None:
    assert is_html(html)
    assert without_tags(html) == text


@pytest.mark.parametrize(
    "text", ["1 < 2", "<3", "<client@example.com>", "<https://example.com>", "a <x> b", "", None, 7]
)
def test_what_only_looks_like_html_is_none(text: object) -> None:
    assert not is_html(text)


@pytest.mark.parametrize(
    "piece",
    ["<p ", "<a<", "<!--", "<!", "<?", "</", "<p>", '<a href="', "&", "{{", "{%", "{client.", "[client ", "{{else}}"],
)
def test_long_nonsense_takes_no_long_time(piece: str) -> None:
    text = piece * (MAX_TEXT // len(piece))
    began = time.process_time()
    is_html(text)
    without_tags(text)
    translate(text)
    assert time.process_time() - began < 2
