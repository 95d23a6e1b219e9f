from __future__ import annotations

import click
import pytest

from minutehand.executor.providers import EMAIL_FROM
from minutehand.executor.providers.smtp import URL
from minutehand.scheduler.cli import options
from minutehand.scheduler.cli.options import SECONDS, private_addresses
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50", 50),
        ("50s", 50),
        ("1.5s", 1.5),
        ("5m", 300),
        ("2H", 7200),
        (" 1 d ", 86400),
        ("3 days", 259_200),
        ("1w", 604_800),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert SECONDS.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 fortnights", "1h30m", "nan", "1e9"])
def test_an_invalid_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="invalid duration"):
        SECONDS.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        *((text, False) for text in ("", " ", "0", "off", "No", "false")),
        *((text, True) for text in ("1", "ON", "yes", "true")),
        ("10.0.0.5:80", frozenset({"10.0.0.5:80"})),
        (" a:1 ,, b:2", frozenset({"a:1", "b:2"})),
    ],
)
def test_private_addresses_are_none_all_or_a_list(text, parsed):
    assert private_addresses(text) == parsed


def collected(*arguments: str, decorate=options.run_options, **environ: str):
    """Call a command that has the options, and give the records that it got."""
    got = {}

    @click.command()
    @decorate
    def command(**given):
        got.update(given)

    from click.testing import CliRunner

    done = CliRunner().invoke(command, list(arguments), env=environ)
    assert done.exit_code == 0, done.output
    return got


def test_what_is_not_said_has_its_default():
    got = collected()
    assert got["run"] == RunSettings()
    assert got["log"] == LogSettings()
    assert got["backend"] == BackendSettings()
    executor = got["executor"]
    assert (executor.value(URL), executor.value(EMAIL_FROM), executor.allow_private_addresses) == ("", "", False)


def test_a_flag_wins_over_the_environment():
    got = collected("-n", "3", MINUTEHAND_BATCH_SIZE="7", MINUTEHAND_CONCURRENCY="8")
    assert (got["run"].batch_size, got["run"].concurrency) == (3, 8)


def test_an_empty_variable_is_not_set():
    got = collected(DATABASE_URL="", MINUTEHAND_BATCH_SIZE="", SUPABASE_URL="", SMTP_URL="")
    assert (got["backend"].database_url, got["backend"].supabase_url) == (None, None)
    assert got["run"].batch_size == 10
    assert got["executor"].value(URL) == ""


def test_secrets_are_not_in_the_records_words():
    got = collected(
        SMTP_URL="smtp://me:hush@host", MINUTEHAND_WEBHOOK_SECRET="whsec_hush", DATABASE_URL="pg://a:hush@b"
    )
    assert "hush" not in repr(got)
