"""The beginning of an id is enough wherever a command takes an execution or a workflow, and is never a guess."""

from __future__ import annotations

import json
from typing import Any

import click
import psycopg
import pytest

from minutehand.scheduler.cli.main import cli
from tests.journeys.app import App, webhook
from tests.servers import Database
from tests.unit.conftest import Call

#: One alone, two of a beginning, seven of another; (id, status, tenant).
ALONE = "01a209d4-7bb0-7ef9-8b20-611149f2030b"
TWINS = [f"02b30000-0000-7000-8000-00000000000{n}" for n in (1, 2)]
MANY = [f"03c40000-0000-7000-8000-00000000000{n}" for n in range(7)]
WORKFLOW = "0a0b0c0d-1111-4000-8000-000000000001"
SIMILAR = [f"0e0f0000-0000-4000-8000-00000000000{n}" for n in (1, 2)]

#: What a person types, and the execution that it means, or how it is refused.
EXECUTIONS = {
    ALONE: ALONE,
    ALONE.upper(): ALONE,
    ALONE.replace("-", ""): ALONE,
    "{" + ALONE + "}": ALONE,
    "01a209": ALONE,
    "01A209D4": ALONE,
    "01a209d4-": ALONE,
    "01a209d4-7bb0-7ef9": ALONE,
    "01a209d47bb07ef98b20611149f2030": ALONE,
    " 01a209d4 ": ALONE,
    TWINS[1]: TWINS[1],
    "02b300": f"several executions begin with 02b300: {TWINS[0]} (J-1), {TWINS[1]} (J-2)",
    "03c40000-0000": "several executions begin with 03c40000-0000: "
    + ", ".join(f"{id_} (J-{n})" for n, id_ in enumerate(MANY[:5]))
    + ", …",
    "01a20": "there is no execution 01a20",
    "ffffff": "there is no execution ffffff",
    "01a209d4-7bb0-7ef9-8b20-611149f2030c": "there is no execution 01a209d4-7bb0-7ef9-8b20-611149f2030c",
    "01a209d4-7bb0-7ef9-8b20-611149f2030b0": "there is no execution 01a209d4-7bb0-7ef9-8b20-611149f2030b0",
    "01a209%": "there is no execution 01a209%",
    "______": "there is no execution ______",
    "'; --": "there is no execution '; --",
    "J-2019": "there is no execution J-2019",
    "": "there is no execution",
}
#: The same of workflows; a name wins over the beginning of an id.
WORKFLOWS = {
    WORKFLOW: WORKFLOW,
    WORKFLOW.upper(): WORKFLOW,
    "Thank the client": WORKFLOW,
    "0a0b0c": WORKFLOW,
    "0A0B0C0D-1111": WORKFLOW,
    "deadbeef": SIMILAR[0],  # the name of one, and the beginning of another's id
    "0e0f00": f"several workflows begin with 0e0f00: {SIMILAR[0]} (deadbeef), {SIMILAR[1]} (Ask)",
    "0a0b0": 'there is no workflow "0a0b0"',
    "ffffff": 'there is no workflow "ffffff"',
    "thank%": 'there is no workflow "thank%"',
}
VERBS = {
    "retry": ("failed", None, "retried"),
    "cancel": ("pending", None, "cancelled"),
    "release": ("skipped", "stale", "released"),
    "resolve": ("failed", "uncertain_send", "resolved"),
}
#: How each command takes them: what is before and behind.
EXECUTION_COMMANDS = {
    ("executions", "show"): (),
    **{("executions", verb): (("--sent",) if verb == "resolve" else ()) for verb in VERBS},
}
WORKFLOW_COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("workflows", "show"): (),
    ("workflows", "pause"): (),
    ("workflows", "resume"): (),
    ("workflows", "lint"): (),
    ("workflows", "export"): (),
    ("workflows", "forecast"): (),
    ("workflows", "test"): ("--payload", "{}"),
    ("enqueue",): ("--payload", "{}", "--dry-run"),
}


@pytest.fixture(params=["postgres", "supabase"])
def at(request: pytest.FixtureRequest, call: Call, project: Any) -> Call:
    """Call it on the app's database, over each backend."""
    app = App(project.owner)
    step = json.dumps([webhook("https://example.com/hook")])
    for id_, name in (
        (WORKFLOW, "Thank the client"),
        (SIMILAR[0], "deadbeef"),
        (SIMILAR[1], "Ask"),
        ("deadbeef-0000-4000-8000-000000000001", "Other"),
    ):
        app.database.sql(
            "insert into automation_workflows (id, name, trigger_type, steps, organization_id, is_active)"
            " values (%s, %s, 'job_completed', %s, 'north', true)",
            *(id_, name, step),
        )
    for number, id_ in [(0, ALONE), *enumerate(TWINS, 1), *enumerate(MANY)]:
        app.database.sql(
            "insert into automation_execution_logs (id, workflow_id, status, trigger_data, entity_id, organization_id)"
            " values (%s, %s, 'failed', '{}', %s, 'north')",
            *(id_, WORKFLOW, f"J-{number}"),
        )
    environment = (
        {"DATABASE_URL": project.owner.url}
        if request.param == "postgres"
        else {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    )
    made = lambda *arguments: call(*arguments, **environment)  # noqa: E731
    made.database = app.database  # type: ignore[attr-defined]
    return made


def test_each_command_finds_an_execution_by_the_beginning_of_its_id(at: Any) -> None:
    for asked, meant in EXECUTIONS.items():
        shown = at("executions", "show", asked, "-o", "json")
        if meant in (ALONE, *TWINS):
            assert (shown.code, json.loads(shown.out or "{}").get("id")) == (0, meant), asked
        else:
            assert (shown.code, shown.out) == (2, ""), asked
            assert shown.err.startswith(f"minutehand: {meant}"), asked
            assert shown.err.count("\n") == 1, asked
    for verb, (status, code, word) in VERBS.items():
        at.database.sql("update automation_execution_logs set status = %s, code = %s", status, code)
        more = EXECUTION_COMMANDS[("executions", verb)]
        answers = at("executions", verb, *EXECUTIONS, *more, "-o", "json")
        assert answers.code == 2, verb  # some were refused
        found = {(one["id"], one["answer"], one.get("reason", "")) for one in json.loads(answers.out)}
        done = {(meant, word, "") for meant in EXECUTIONS.values() if meant in (ALONE, *TWINS)}
        refused = {
            (asked, "missing" if meant.startswith("there") else "refused", meant)
            for asked, meant in EXECUTIONS.items()
            if meant not in (ALONE, *TWINS)
        }
        assert {(*one[:2], one[2].rstrip()) for one in found} == done | refused, verb
        alone = at("executions", verb, "01a209d4", *more)
        assert alone.code == 2, "it is done already"
        at.database.sql("update automation_execution_logs set status = %s, code = %s", status, code)
        assert at("executions", verb, "01a209d4", *more).code == 0, verb


def test_each_command_finds_a_workflow_by_the_beginning_of_its_id(at: Any) -> None:
    for asked, meant in WORKFLOWS.items():
        for command, more in WORKFLOW_COMMANDS.items():
            said = at(*command, asked, *more)
            if meant in (WORKFLOW, *SIMILAR):
                assert said.code == 0, (command, asked, said)
                name = "Thank the client" if meant == WORKFLOW else "deadbeef"
                assert name in said.out, (command, asked, said)
            else:
                assert (said.code, said.out) == (2, ""), (command, asked, said)
                assert said.err.startswith(f"minutehand: {meant}"), (command, asked, said)
    for asked in ("0a0b0c", "Thank the client", WORKFLOW.upper()):
        assert len(json.loads(at("executions", "ls", "--workflow", asked, "-o", "json").out)) == 10
        assert len(json.loads(at("executions", "ls", f"workflow:{asked}", "-o", "json").out)) == 10
    assert json.loads(at("executions", "ls", "--workflow", "ffffff", "-o", "json").out) == []


def test_of_several_workflows_of_a_name_the_ids_are_named(at: Any) -> None:
    at.database.sql("update automation_workflows set name = 'Ask', organization_id = 'south' where id = %s", WORKFLOW)
    said = at("workflows", "show", "Ask")
    assert said.code == 2
    assert said.err == (
        'minutehand: there are 2 workflows named "Ask". '
        f"Use an id: {WORKFLOW} (tenant south), {SIMILAR[1]} (tenant north)\n"
    )


def test_every_command_that_takes_one_is_tried_here() -> None:
    tried = {*EXECUTION_COMMANDS, *WORKFLOW_COMMANDS}
    found = set()

    def look(command: click.Command, path: tuple[str, ...]) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                look(below, (*path, name))
            return
        for one in command.params:
            named = str(one.name) in ("execution_id", "ids", "workflow", "names", "subjects")
            if named and isinstance(one, click.Argument):
                found.add(path)

    look(cli, ())
    assert found == tried


def test_a_beginning_reads_a_range_of_the_primary_key(database: Database) -> None:
    database.sql(
        "insert into automation_execution_logs (status, trigger_data, organization_id)"
        " select 'completed', '{}', 'north' from generate_series(1, 20000)"
    )
    database.sql("analyze automation_execution_logs")
    id_ = str(database.one("select id from automation_execution_logs offset 10000 limit 1")["id"])
    reads = "select pg_stat_get_xact_tuples_returned('automation_execution_logs'::regclass) as n"
    calls: list[tuple[str, dict[str, object]]] = [
        ("automation_execution", {"p_id": id_[:20]}),
        ("automation_execution", {"p_id": id_, "p_tenant": "north"}),
        ("automation_retry", {"p_ids": [id_[:20]]}),
    ]
    with database.connection.transaction():
        for function, arguments in calls:
            before = database.one(reads)["n"]
            database.call(function, **arguments)
            assert database.one(reads)["n"] == before, f"{function} reads the whole table"


def test_a_tenant_is_told_of_its_own_alone(database: Database) -> None:
    for number, tenant in enumerate(["north", "south", "south"]):
        database.sql(
            "insert into automation_execution_logs (id, status, trigger_data, organization_id)"
            " values (%s, 'failed', '{}', %s)",
            f"02b30000-0000-7000-8000-00000000000{number}",
            tenant,
        )
        database.sql(
            "insert into automation_workflows (id, name, trigger_type, steps, organization_id)"
            " values (%s, 'Ask', 'job_done', '[]', %s)",
            f"0a0b0000-0000-4000-8000-00000000000{number}",
            tenant,
        )
    own = database.call("automation_execution_detail", p_id="02b300", p_tenant="north")
    assert (own["id"][-1], own["tenant"]) == ("0", "north")
    for asked in ("0a0b00", "Ask"):
        assert database.call("automation_workflow_show", p_workflow=asked, p_tenant="north")["id"].endswith("0")
        assert database.call("automation_workflow_versions", p_workflow=asked, p_tenant="north")
    refused = [
        ("automation_execution", {"p_id": "02b300", "p_tenant": "south"}, "MH409", "several executions begin with"),
        ("automation_execution", {"p_id": "02b300", "p_tenant": "east"}, "MH404", "there is no execution 02b300"),
        (
            "automation_execution",
            {"p_id": "02b30000-0000-7000-8000-000000000000", "p_tenant": "south"},
            "MH404",
            "there",
        ),
        ("automation_workflow_show", {"p_workflow": "Ask", "p_tenant": "south"}, "MH409", "there are 2 workflows"),
        ("automation_workflow_show", {"p_workflow": "0a0b00", "p_tenant": "east"}, "MH404", "there is no workflow"),
    ]
    for function, arguments, state, words in refused:
        with pytest.raises(psycopg.Error, match=words) as caught:
            database.call(function, **arguments)
        assert caught.value.sqlstate == state
    database.sql(
        "insert into automation_execution_logs (id, status, trigger_data, organization_id) select"
        " ('02b30000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'failed', '{}', 'east'"
        " from generate_series(1, 1100) n"
    )
    with pytest.raises(psycopg.Error, match="too many executions begin with 02b300"):
        database.call("automation_execution", p_id="02b300", p_tenant="north")
