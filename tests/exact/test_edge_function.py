"""The edge function of docs/ is an executor too: one set of cases through it and through the local executor.

Each case is two workflows with the same steps that start on the same change of the same row: the function runs one, the
command the other.  What arrives, byte by byte, and how the executions end must be equal.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from minutehand.executor.checks import edge_function
from minutehand.executor.checks.workflow import diagnose
from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.webhook_secrets import signing_keys
from minutehand.scheduler.demo.receivers import Request
from minutehand.store import Store
from minutehand.store.records import WebhookTenant
from minutehand.store.secret_names import PHRASES, WORDS
from tests import servers
from tests.docs.pages import DOCS
from tests.exact.executor_cases import CASES, MORE, ROW, Hooks, condition, email, hook, sms
from tests.journeys.app import SECRET, App
from tests.providers.api import ApiServer
from tests.providers.resend import ResendServer
from tests.providers.telnyx import TelnyxServer
from tests.providers.twilio import TwilioServer
from tests.supabase.stack import HERE, MODULES, Stack

FUNCTION = DOCS / "edge-function" / "automation-executor"


@dataclass
class Ran:
    """What one case did in one executor."""

    end: tuple[str, str | None]
    #: As they arrived, with the names of the execution and of the workflow instead of their ids.
    requests: list[tuple[str, str, dict[str, str], bytes]]
    #: The steps' status and code.
    steps: list[tuple[str, str, str | None]]


@dataclass
class World:
    """A project with the function, and the receivers."""

    app: App
    receivers: tuple[ApiServer, ...]
    #: The providers' settings, as variables.
    settings: dict[str, str]
    url: str

    @property
    def hooks(self) -> ApiServer:
        return self.receivers[0]

    def edge(self, execution: str) -> httpx.Response:
        """Let the function run an execution."""
        headers = {"Authorization": "Bearer a-token"}
        return httpx.post(self.url, json={"executionId": execution}, headers=headers, timeout=30)

    def local(self, execution: str) -> None:
        """Let the local executor run an execution."""
        asyncio.run(self._local(execution))

    async def _local(self, execution: str) -> None:
        store = Store.postgres(self.app.database.url)
        settings = ExecutorSettings(
            provider_values=self.settings,
            webhook_secret=SECRET,
            allow_private_addresses=frozenset({f"127.0.0.1:{self.hooks.port}"}),
        )
        try:
            claim = await store.claim(1, worker="local", lease_seconds=60, max_attempts=5, ids=[execution])
            async with LocalExecutor(store, settings) as executor:
                await store.settle([(await executor.execute(one)).as_json() for one in claim.executions])
        finally:
            await store.close()

    def started(self, job: str, **columns: Any) -> list[dict[str, Any]]:
        """Create a job, and return the executions that start when it is completed, by their workflow's name."""
        row = {"id": job, "organization_id": "north", "client_id": "C-1", **ROW, **columns}
        query = f"insert into jobs ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})"
        self.app.database.sql(query, *row.values())
        self.app.database.sql("update jobs set status = 'completed' where id = %s", job)
        self.app.match()
        return self.app.database.sql(
            "select l.id::text, w.id::text as workflow, w.name from automation_execution_logs l"
            " join automation_workflows w on w.id = l.workflow_id where l.entity_id = %s order by w.name",
            job,
        )

    def heard(self, run: Callable[[str], Any], execution: str) -> list[Request]:
        """Run an execution, and return what arrived meanwhile."""
        before = [len(receiver.requests) for receiver in self.receivers]
        run(execution)
        return [
            one for receiver, start in zip(self.receivers, before, strict=True) for one in receiver.requests[start:]
        ]

    def end(self, execution: str) -> dict[str, Any]:
        """The execution's row."""
        return self.app.database.one("select * from automation_execution_logs where id = %s", execution)

    def alone(
        self, *steps: Any, job: dict[str, Any] | None = None, **columns: Any
    ) -> tuple[dict[str, Any], list[Request]]:
        """Run one workflow in the function; returns its execution, and what arrived."""
        workflow = self.app.workflow(*self.placed(steps, "edge"), **columns)
        number = self.app.database.one("select count(*) as n from jobs")["n"]
        (one,) = self.started(f"J-{number}", **(job or {}))
        requests = self.heard(self.edge, one["id"])
        self.app.database.sql("update automation_workflows set is_active = false where id = %s", workflow)
        return self.end(one["id"]), requests

    def placed(self, steps: Any, who: str) -> Any:
        """The steps with the receiver's address in them."""
        return json.loads(json.dumps(steps).replace("{hooks}", self.hooks.url).replace("{who}", who))


@pytest.fixture(scope="module")
def world(stack18: Stack) -> Iterator[World]:
    with stack18.project() as project, Hooks() as hooks, ResendServer() as mails, TwilioServer() as texts:
        mails.refuse("refused@example.com", (422, "validation_error", "Invalid `to` field."))
        texts.refuse("+12025550999", 21614)
        app = App(project.owner)
        app.database.sql(MORE)
        settings = {name.upper(): str(value) for one in (mails, texts) for name, value in one.settings.items()}
        project.deploy(
            "automation-executor",
            FUNCTION,
            MINUTEHAND_DIRECT_TOKEN="a-token",
            MINUTEHAND_WEBHOOK_SECRET=SECRET,
            MINUTEHAND_ALLOW_PRIVATE_ADDRESSES=f"127.0.0.1:{hooks.port}",
            **settings,  # type: ignore[arg-type]
        )
        yield World(app, (hooks, mails, texts), settings, f"{project.url}/functions/v1/automation-executor")


@pytest.mark.parametrize("name", CASES)
def test_both_executors_send_the_same_and_end_the_same(world: World, name: str) -> None:
    case = CASES[name]
    workflows = [
        world.app.workflow(*world.placed(case.steps, who), name=who, settings=case.settings)
        for who in ("edge", "local")
    ]
    executions = world.started(f"J-{name}", client_id=case.client, **case.row)
    ran = {one["name"]: _ran(world, one) for one in executions}
    world.app.database.sql("update automation_workflows set is_active = false where id::text = any (%s)", workflows)
    if case.end[1] in ("bad_workflow", "bad_template"):  # the function reads all steps before the first one runs
        ran["edge"].steps = ran["local"].steps
    assert ran["edge"] == ran["local"]
    assert (ran["edge"].end, len(ran["edge"].requests)) == (case.end, case.requests)


def _ran(world: World, one: dict[str, Any]) -> Ran:
    requests = world.heard(world.edge if one["name"] == "edge" else world.local, one["id"])
    row = world.end(one["id"])
    records = [(record["stepId"], record["status"], record.get("code")) for record in row["actions_executed"] or []]
    names = {one["id"]: "EXECUTION", one["workflow"]: "WORKFLOW", f'"name": "{one["name"]}"': '"name": "NAME"'}
    return Ran((row["status"], row["code"]), [_plain(request, names, one["name"]) for request in requests], records)


def _plain(request: Request, names: dict[str, str], who: str) -> tuple[str, str, dict[str, str], bytes]:
    """The request without what differs: ids, keys, the time.  The signature is checked."""
    headers = {name: value for name, value in request.headers.items() if name not in UNEQUAL}
    if signature := request.headers.get("webhook-signature"):
        (key,) = signing_keys(SECRET, WebhookTenant(kind="organization", id="north"))
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        assert signature == "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert request.headers["x-minutehand-cause"] in names
    body = request.body.decode()
    for written, name in names.items():
        body = body.replace(written, name)
    return request.method, request.path.replace(f"/{who}", "/WHO"), headers, body.encode()


#: Of the connection, or of the one execution.
UNEQUAL = frozenset(
    [
        "host",
        "accept",
        "accept-language",
        "accept-encoding",
        "connection",
        "content-length",
        "user-agent",
        "sec-fetch-mode",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-minutehand-cause",
    ]
)


# --- what it refuses by name, before anything leaves ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "code", "named"),
    [
        (email(subject="{{ job.title|upper }}: done"), "bad_template", "`subject`: this executor fills in"),
        (email(message="{% if job.amount > 1 %}VIP {% endif %}x"), "bad_template", "{% if job.amount > 1 %}"),
        (email(message="{{ job.amount * 2 }}"), "bad_template", "{{ job.amount * 2 }}"),
        (email(message="{{ 'x' }}"), "bad_template", "{{ 'x' }}"),
        (email(message="{{ true }}"), "bad_template", "{{ true }}"),
        (email(message="{{ job.tags[0] }}"), "bad_template", "{{ job.tags[0] }}"),
        (email(message="Hi {client.name}"), "bad_template", "{client.name}"),
        (email(message="Pay: [payment link]"), "bad_template", "[payment link]"),
        (email(message="{{#if job.path}}x{{/if}}"), "bad_template", "{{#if job.path}}"),
        (hook(body={"a": [{"b": "{{ job.title|upper }}"}]}), "bad_template", "`body`"),
        (email(cc="boss@example.com"), "bad_workflow", "`cc` is not read by this edge function"),
        (email(attachments=[]), "bad_workflow", "`attachments` is not read"),
        (email(message="<p>Hello</p>"), "bad_workflow", "`message` contains HTML"),
        (email(marketing=True), "bad_workflow", "`unsubscribe` is missing"),
        (email() | {"delay": "2 days"}, "bad_workflow", "`delay` is not read"),
        (email() | {"enabled": False}, "bad_workflow", "`enabled` is not read"),
        ({"type": "email", "config": {"subject": "x", "body": "y"}}, "bad_workflow", "`body` is not read"),
        ({"type": "notify", "config": {"message": "x"}}, "bad_workflow", "notify cannot run in this edge function"),
        ({"type": "function", "config": {"name": "x"}}, "bad_workflow", "function cannot run in this edge function"),
        ({"type": "update_record", "config": {}}, "bad_workflow", "update_record cannot run in this edge function"),
        ({"type": "create_record", "config": {}}, "bad_workflow", "create_record cannot run in this edge function"),
        (hook("/x/{{ job.title|urlencode }}"), "bad_template", "`url`"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_before_anything_leaves(
    world: World, step: dict[str, Any], code: str, named: str
) -> None:
    row, requests = world.alone(email(), step)
    assert (row["status"], row["code"], requests) == ("failed", code, [])
    assert named in row["reason"]
    assert row["reason"].startswith("step 2 (")


def test_steps_that_stand_elsewhere_are_refused_by_name(world: World) -> None:
    row, _ = world.alone(email(), template_config=Jsonb({"steps": [email(), sms()]}))
    assert (row["code"], "template_config.steps" in row["reason"]) == ("bad_workflow", True)


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif("rawJSON" not in (HERE / "rest.mjs").read_text(), reason="the stand-in for PostgREST rounds them")
@pytest.mark.parametrize(
    "number",
    ["12345678901234567.89", "0.1000", "900.00", "0.00000010", "-0.5", "123456789012345678901234567890", "1e2", "0"],
)
def test_numbers_leave_with_the_digits_of_the_database(world: World, number: str) -> None:
    shown = world.app.database.one("select %s::numeric::text as shown", number)["shown"]
    steps = [hook(body={"n": "{{ job.amount }}", "t": "{{ job.amount }} €"}), email(message="{{ job.amount }}")]
    row, (called, mail) = world.alone(*steps, job={"amount": number})
    assert row["status"] == "completed"
    assert called.body.decode() == f'{{"n": {shown}, "t": "{shown} €"}}'
    assert json.loads(mail.body)["text"] == shown


def test_the_digits_of_numbers_survive_reading_and_writing(tmp_path: Path) -> None:
    text = '{"a": [12345678901234567.89, 900.00, 0.00000010, 1, -0.5], "b": {"c": null}}'
    code = f"import {{ jsonText, parseJson }} from './json.ts'; console.log(jsonText(parseJson('{text}')))"
    assert deno(tmp_path, "eval", code).strip() == text


def test_values_are_encoded_for_their_place_in_a_url(world: World) -> None:
    path = "/c/{{ job.path }}?q={{ job.path }}"
    _, (called,) = world.alone(hook(path, method="GET"), job={"path": "A & B #1/ü?x='"})
    encoded = "A%20%26%20B%20%231%2F%C3%BC%3Fx%3D%27"
    assert called.path == f"/c/{encoded}?q={encoded}"
    for value in ("..", "."):
        row, requests = world.alone(hook("/c/{{ job.path }}/x"), job={"path": value})
        assert (row["code"], requests) == ("bad_url", [])
    row, requests = world.alone(
        {"type": "webhook", "config": {"url": "http://{{ job.path }}.example.com/"}}, job={"path": "x"}
    )
    assert (row["code"], requests) == ("bad_workflow", [])


# --- sends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [email(), email(to="OptOut@example.com"), sms()])
def test_who_opted_out_gets_nothing_and_that_is_no_failure(world: World, step: dict[str, Any]) -> None:
    row, requests = world.alone(step, job={"client_id": "C-5"})
    assert requests == []
    assert [(record["status"], record["code"]) for record in row["actions_executed"]] == [("skipped", "opted_out")]
    assert row["status"] in ("completed", "skipped")


def test_a_limit_of_the_recipient_holds(world: World) -> None:
    world.app.database.sql(
        "insert into automation_limits (scope, channel, n, per) values ('recipient', 'email', 1, '1 day')"
    )
    try:
        step = email(to="limited@example.com")
        assert world.alone(step)[0]["status"] == "completed"
        row, requests = world.alone(step)
        assert (row["status"], row["code"], requests) == ("pending", "recipient_limit", [])
    finally:
        world.app.database.sql("delete from automation_limits")


def test_an_uncertain_send_is_repeated_under_its_key_and_each_message_leaves_once(world: World) -> None:
    mails = world.receivers[1]
    mails.lose()
    row, (first,) = world.alone(email())
    assert (row["status"], row["code"]) == ("pending", "uncertain_send")
    world.app.database.sql("update automation_workflows set is_active = true where id = %s", row["workflow_id"])
    world.app.database.sql("update automation_execution_logs set scheduled_at = now() where id = %s", row["id"])
    (again,) = world.heard(world.edge, str(row["id"]))
    world.app.database.sql("update automation_workflows set is_active = false where id = %s", row["workflow_id"])
    assert (again.body, again.headers["idempotency-key"]) == (first.body, first.headers["idempotency-key"])
    assert world.end(row["id"])["status"] == "completed"
    (send,) = world.app.database.sql("select * from communication_logs where execution_id = %s", row["id"])
    assert (send["status"], send["idempotency_key"]) == ("sent", first.headers["idempotency-key"])


def test_a_request_whose_connection_breaks_is_not_repeated_by_the_runtime(world: World) -> None:
    world.receivers[2].lose()  # on a connection that was used before, where Deno's own client would repeat it
    row, requests = world.alone(sms(), sms(to="+12025550188"))
    assert (row["status"], row["code"], len(requests)) == ("failed", "uncertain_send", 1)


def test_a_call_after_the_end_sends_nothing(world: World) -> None:
    row, requests = world.alone(email(), sms())
    assert (row["status"], len(requests)) == ("completed", 2)
    assert world.heard(lambda execution: world.edge(execution).status_code == 409, str(row["id"])) == []


def test_telnyx_sends_where_twilio_is_not_set_up(stack18: Stack) -> None:
    with stack18.project() as project, TelnyxServer() as texts:
        app = App(project.owner)
        app.database.sql(MORE)
        settings = {name.upper(): str(value) for name, value in texts.settings.items()}
        project.deploy("automation-executor", FUNCTION, MINUTEHAND_DIRECT_TOKEN="a-token", **settings)  # type: ignore[arg-type]
        world = World(app, (texts,), settings, f"{project.url}/functions/v1/automation-executor")
        texts.refuse("+12025550999", (429, "10011"))
        ended = [world.alone(sms(**config))[0] for config in ({}, {"to": "+12025550999"})]
        assert [(row["status"], row["code"]) for row in ended] == [("completed", None), ("pending", "busy")]
        assert [(sent.recipient, sent.body["text"]) for sent in texts.messages] == [
            ("+12025550123", "Job Boiler repair is done.")
        ]


# --- the code ---------------------------------------------------------------------------------------------------------


def test_its_names_of_secrets_are_those_of_the_program() -> None:
    source = (FUNCTION / "secret_names.ts").read_text()
    words = source[source.index("WORDS =") : source.index(".split")]
    assert frozenset(" ".join(re.findall(r'"([^"]*)"', words)).split()) == WORDS
    phrases = source[source.index("PHRASES") : source.index("];")]
    assert tuple(re.findall(r'"([^"]*)"', phrases)) == PHRASES


def deno(cache: Path, *arguments: str) -> str:
    """Run Deno in the function's folder."""
    servers.require(MODULES.is_dir(), "needs node, and once: npm ci --prefix tests/supabase --ignore-scripts")
    (program,) = MODULES.glob("@deno/*/deno")
    environment = {"DENO_DIR": str(cache), "NO_COLOR": "1"}
    command = [str(program), *arguments]
    done = subprocess.run(command, cwd=FUNCTION, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "arguments", [("check", "index.ts"), ("lint", "."), ("fmt", "--check", "--line-width", "120", ".")]
)
def test_deno_finds_no_fault_in_it(arguments: tuple[str, ...], tmp_path: Path) -> None:
    deno(tmp_path, *arguments)


def test_what_lint_judges_by_is_what_the_function_reads() -> None:
    source = (FUNCTION / "steps.ts").read_text()
    listed = {name: re.findall(r'"(\w+)"', keys) for name, keys in re.findall(r"^  (\w+): \[(.*?)\],$", source, re.M)}
    assert listed == {name: list(keys) for name, keys in edge_function.ABILITIES.items()}
    spelled = source[source.index("SPELLINGS") : source.index("};", source.index("SPELLINGS"))]
    assert dict(re.findall(r'(\w+): "(\w+)"', spelled)) == edge_function.SPELLINGS
    for name in ("STEP_KEYS", "COSMETIC_KEYS"):
        keys = re.search(rf"const {name} = \[(.*?)\]", source)
        assert keys is not None
        assert tuple(re.findall(r'"(\w+)"', keys[1])) == getattr(edge_function, name)


def test_lint_and_doctor_name_what_the_edge_function_cannot_run() -> None:
    steps = [
        email(subject="{{ job.title|upper }}"),
        condition(1, then=[{"type": "notify", "config": {"message": "x"}}]),
    ]
    facts = {"on": True, "trigger_type": "job_completed", "definition": {"steps": steps}}
    found = [str(finding) for finding in diagnose(facts, executor="function").problems]
    assert found == [
        "step 1: the edge function fills in {{ client.name }} alone, not {{ job.title|upper }} of `subject`; "
        "use --executor local, or an executor of your own that does",
        "step 2.then.1: notify cannot run in the edge function, which runs email, sms, webhook, wait, condition and "
        "stop; use --executor local, or an executor of your own that does",
    ]
    assert diagnose(facts, executor="http").problems == []
    fine = facts | {"definition": {"steps": [email(), sms(), hook()]}}
    assert diagnose(fine, executor="function").problems == []
