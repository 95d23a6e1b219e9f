"""Names and ids that act on a terminal: every command shows them as escapes, on both backends."""

from __future__ import annotations

import json
import shlex

from minutehand.executor.text.display import has_unsafe
from tests.journeys.app import email, webhook
from tests.journeys.world import World

HOSTILE = "\x1b[2J\x1b]8;;https://evil.example\x07x\x9b31m\x7f\n! all is well\u202egnp\u2066\u200f"
#: After `{id}` comes the id of the execution.
COMMANDS = """
status
status -o prometheus
executions ls
executions show {id}
executions retry {id}
executions cancel {id}
workflows ls
workflows show {workflow}
workflows lint
workflows export
workflows test {workflow} --row {name}
workflows pause {workflow} --reason {name}
workflows resume {workflow}
workflows show {name}
trigger ls
trigger add {name}
pause --tenant {name} --reason {name}
status
resume --tenant {name}
limits set tenant 5 --per '1 day' --tenant {name}
limits ls
limits rm tenant --tenant {name}
enqueue {workflow} --row {name}
enqueue {workflow} --row {name} --key {name}
alerts ls
doctor
run-once --log-format console
webhook-secret show --organization {name}
executions ls status:{name}
workflows lint {name}.yaml
{name}
""".strip().splitlines()


def test_no_command_prints_what_acts_on_a_terminal(world: World) -> None:
    app = world.app
    app.workflow(email(subject=HOSTILE), webhook("{{ job.title }}"), name=HOSTILE)
    app.database.sql("insert into jobs (id, organization_id, title, client_id) values (%s, 'north', %s, 'C-1')",
                     HOSTILE, HOSTILE)  # fmt: skip
    world.move(HOSTILE, "completed")
    world.minutehand("run-once", "--log-format", "console")
    row = app.execution()
    names = {"id": row["id"], "workflow": row["workflow_id"], "name": HOSTILE}
    shown = 0
    for command in COMMANDS:
        arguments = [part.format(**names) for part in shlex.split(command)]
        done = world.minutehand(*arguments)
        if command != "status -o prometheus":  # read by a program
            assert not has_unsafe((done.stdout + done.stderr).replace("\n", "")), (command, done.stdout, done.stderr)
        assert not [line for line in done.stdout.splitlines() if line.startswith("! all is well")], (
            command,
            done.stdout,
        )
        shown += r"\x1b[2J" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr, (command, done.stderr)
    assert shown > len(COMMANDS) / 2
    for command in (
        "executions ls -o json",
        "workflows ls -o json",
        "run-once -o json",
        f"executions show {row['id']} -o json",
    ):
        out = world.minutehand(*command.split()).stdout
        assert not has_unsafe(out.replace("\n", "")), command
        assert json.loads(out) is not None
    (found,) = json.loads(
        world.minutehand("executions", "ls", "-o", "json", "--entity", HOSTILE, "--limit", "1").stdout
    )
    assert found["entity_id"] == HOSTILE, "as data it stays as it is"
