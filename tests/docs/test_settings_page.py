"""docs/settings.md has every option of the command line: `UPDATE_DOCS=1 pytest tests/docs` makes it anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import click

from minutehand.scheduler.cli.main import cli
from tests.docs.pages import DOCS


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, with its full name."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            command_found = command.get_command(click.Context(command), name)
            assert command_found is not None
            yield from leaves(command_found, (*path, name))
    else:
        yield " ".join(path), command


def settings_tables() -> str:
    """Return the tables of settings.md: options of several commands first, then those of one."""
    users: dict[tuple[str, str], list[str]] = {}
    options: dict[tuple[str, str], click.Option] = {}
    for name, command in leaves(cli):
        for option in command.params:
            if isinstance(option, click.Option):
                key = (flag(option), meaning(option))
                users.setdefault(key, []).append(name)
                options[key] = option
    several = {key: option for key, option in options.items() if option.envvar}
    lines = ["## Options with a variable", ""]
    lines += ["| Flag | Variable | Default | Meaning | Commands |", "|---|---|---|---|---|"]
    for key, option in several.items():
        commands = ", ".join(users[key]) if len(users[key]) <= 3 else "all that need a database"
        lines.append(f"| {flag(option)} | `{option.envvar}` | {default(option)} | {meaning(option)} | {commands} |")
    lines += ["", "## Other options", "", "| Command | Flag | Default | Meaning |", "|---|---|---|---|"]
    for key, option in options.items():
        if key not in several:
            lines.append(f"| {', '.join(users[key])} | {flag(option)} | {default(option)} | {meaning(option)} |")
    return "\n".join(lines)


def flag(option: click.Option) -> str:
    metavar = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    if isinstance(option.type, click.Choice):
        metavar = " " + "|".join(option.type.choices)
    elif isinstance(option.type, click.IntRange):
        metavar = f" {option.type.min}…{'' if option.type.max is None else option.type.max}"
    return f"`{', '.join(option.opts)}{metavar}`".replace("|", "\\|")


def default(option: click.Option) -> str:
    if default_text := re.search(r"\[default: (.*)\]", option.help or ""):
        return default_text[1]
    if not option.show_default or option.default is None:
        return ""
    in_seconds = isinstance(option.default, float) and option.type.name == "TIME"
    value = f"{option.default:g} s" if in_seconds else option.default
    return f"`{value}`"


def meaning(option: click.Option) -> str:
    return re.sub(r"\s*\[(env|default): .*?\]", "", option.help or "").replace("|", "\\|")


def test_the_settings_page_has_every_option_of_the_command_line() -> None:
    file = DOCS / "settings.md"
    head, rest = file.read_text().split("<!-- made -->\n")
    tail = rest.split("<!-- /made -->")[1]
    expected = f"{head}<!-- made -->\n\n{settings_tables()}\n\n<!-- /made -->{tail}"
    if os.environ.get("UPDATE_DOCS") == "1":
        file.write_text(expected)
    assert file.read_text() == expected, "the options changed: UPDATE_DOCS=1 pytest tests/docs"
