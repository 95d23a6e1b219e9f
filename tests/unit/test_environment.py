from __future__ import annotations

import os

import click
import pytest

from minutehand.scheduler.cli.environment import NAMES, fill_environment, from_files
from minutehand.scheduler.cli.main import cli
from minutehand.store.errors import BadConfiguration


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment of the test's own, put back afterwards."""
    monkeypatch.setattr(os, "environ", dict(os.environ))


def test_dot_env_stands_below_the_environment(tmp_path):
    (tmp_path / ".env").write_text("EMAIL_FROM=file@example.com\nexport SMTP_URL='smtp://a:b$c@host'  # why\n")
    os.environ["EMAIL_FROM"] = "outside@example.com"
    fill_environment(tmp_path)
    assert os.environ["EMAIL_FROM"] == "outside@example.com"
    assert os.environ["SMTP_URL"] == "smtp://a:b$c@host"


def test_a_name_that_is_a_file_outside_wins_over_dot_env(tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://inside/db\n")
    (tmp_path / "url").write_text("postgresql://outside/db\n")
    os.environ["DATABASE_URL_FILE"] = str(tmp_path / "url")
    fill_environment(tmp_path)
    assert os.environ["DATABASE_URL"] == "postgresql://outside/db"


def test_dot_env_may_name_files_too(tmp_path):
    (tmp_path / "url").write_text("smtp://host")
    (tmp_path / ".env").write_text(f"SMTP_URL_FILE={tmp_path / 'url'}\n")
    fill_environment(tmp_path)
    assert os.environ["SMTP_URL"] == "smtp://host"


def test_a_value_wins_over_its_file(tmp_path):
    assert from_files({"SMTP_URL": "smtp://a", "SMTP_URL_FILE": str(tmp_path / "missing")}) == {}


def test_a_folder_without_dot_env_is_fine(tmp_path):
    before = dict(os.environ)
    fill_environment(tmp_path)
    assert os.environ == before


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "LOG_FILE", "_FILE", "KUBERNETES_TOKEN_FILE"])
def test_the_files_of_others_are_not_read(tmp_path, name):
    assert from_files({name: str(tmp_path / "missing")}) == {}


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path):
    with pytest.raises(BadConfiguration, match=r"MINUTEHAND_WEBHOOK_SECRET_FILE: .*missing cannot be read"):
        from_files({"MINUTEHAND_WEBHOOK_SECRET_FILE": str(tmp_path / "missing")})
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfiguration, match="SMTP_URL_FILE"):
        from_files({"SMTP_URL_FILE": str(tmp_path / "bytes")})


def test_every_variable_of_an_option_may_be_given_as_a_file():
    commands = [cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))]
    commands += [inner for one in commands if isinstance(one, click.Group) for inner in one.commands.values()]
    variables = {
        parameter.envvar for one in commands if one for parameter in one.params if isinstance(parameter.envvar, str)
    }
    ours = {variable for variable in variables if not variable.startswith("MINUTEHAND_")}
    assert ours - NAMES == set()
