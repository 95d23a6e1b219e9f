"""Reads the pages of docs/, and the commands that they name."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import click

from minutehand.scheduler.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def page(name: str) -> str:
    return (DOCS / name).read_text()


def section(text: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level."""
    level = heading.split(" ")[0]
    return text.split(f"\n{heading}\n")[1].split(f"\n{level} ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a page's tables, without head and rule."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)


@functools.cache
def names_of_tests(file: str) -> frozenset[str]:
    """The tests of a file below tests/; none where there is no such file."""
    path = ROOT / "tests" / file
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def is_a_command(arguments: list[str]) -> bool:
    """Parse a command line as it would be run, and stop there."""
    command: click.Command | None = cli
    # Parsed below the program's own context: a command keeps the help option that its first context gives it.
    top = click.Context(cli, **cli.context_settings)
    name = "minutehand"
    if arguments[:1] and arguments[0].startswith("-"):
        return arguments[0] in {option for one in cli.get_params(top) for option in one.opts}
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        command = command.get_command(top, name)
    if command is None or isinstance(command, click.Group):
        return command is not None and command is not cli
    if arguments:
        command.make_context(name, list(arguments), parent=top).close()
    return True  # a bare name is a mention


def commands_of(text: str) -> list[str]:
    """The command lines of a page: in its blocks of any language but a program's, and in its sentences."""
    blocks_ = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    shell = "\n".join(block for language, block in blocks_ if language in ("", "sh", "bash", "console", "text", "cron"))
    lines = shell.replace("\\\n", " ").splitlines()
    spans = re.findall(r"`((?:[A-Z_]+=\S+ )*minutehand [^`]*)`", re.sub(r"\n *", " ", text))
    return [match[1] for line in [*lines, *spans] if (match := _COMMAND.search(line))]


#: Where a command begins: a line, behind variables, a folder, `&&`, a pipe or cron's times; not within words.
_COMMAND = re.compile(
    r"(?:^|[&|;(] ?|\* )\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?(minutehand (?! )(?:[^>#;&|)]|(?<=\w)\|(?=\w))*)"
)
