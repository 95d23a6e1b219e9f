"""Sizes: what a person or a row says leaves whole, or is refused by name before anything is saved or sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.store.recordable import recordable
from tests.journeys.app import App, Minutehand, email, webhook
from tests.journeys.world import World
from tests.servers import Database

END = "<!--end-->"
#: 90,000 characters, not all of them in one byte.
HTML = "<p>ü</p>" * 11_240 + "{{ job.id }}" + "x" * 58 + END
TEXT = "ä😀-" * 33_333 + "!end!"


def test_long_texts_arrive_whole_everywhere(world: World) -> None:
    """Applied from a file and inserted by the app; in mails, webhooks, notifications and rows."""
    world.app.database.sql("alter table jobs add note text; create table copies (id text primary key, note text)")
    world.app.database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    world.app.database.call("automation_trigger_add", p_table="copies", p_tenant="none", p_writable=True)
    body = {"whole": "{{ job.note }}", "within": "a {{ job.note }} b"}
    steps: list[dict[str, Any]] = [
        email(html=HTML, message="{{ job.note }}"),
        webhook(f"{world.shop.url}/hook", body=body),
        {"type": "create_record", "config": {"table": "copies", "values": {"id": "K", "note": "{{ job.note }}"}}},
        {"type": "update_record", "config": {"table": "jobs", "values": {"title": "{{ job.note }}"}}},
        {"type": "notify", "config": {"message": "{{ job.note }}"}},
    ]
    file = {"name": "From a file", "organization_id": "north", "trigger": "job_completed", "steps": steps}
    (world.minutehand.folder / "long.json").write_text(json.dumps(file))
    applied = world.minutehand("workflows", "apply", "long.json")
    assert applied.returncode == 0, applied.stderr
    stored = world.app.database.one("select steps from automation_workflows")["steps"]
    assert stored == steps
    world.app.workflow(email(html=HTML, subject="From the app"))
    job = world.job(note=TEXT)
    targets = world.shop.url.replace("http://", "json://") + "/team"
    assert world.minutehand.run_once("--drain", MINUTEHAND_NOTIFY_URLS=targets)["completed"] == 2

    htmls = [mail.message.get_body(("html",)) for mail in world.post.messages]
    sent = HTML.replace("{{ job.id }}", job)
    assert [str(part.get_content()).strip() for part in htmls if part is not None] == [sent, sent]
    assert TEXT in [text for _, text in world.mails()]
    hook, team = (json.loads(request.body) for request in world.shop.requests)
    assert hook == {"whole": TEXT, "within": f"a {TEXT} b"}
    assert team["message"].endswith("!end!")
    assert world.app.database.one("select note from copies")["note"] == TEXT
    assert world.app.database.one("select title from jobs")["title"] == TEXT
    everything = world.app.database.one("select string_agg(steps::text, '') as all from automation_workflows")["all"]
    assert "(cut)" not in everything


REFUSED = [
    ('{"a": [1, NaN]}', "NaN is not valid JSON"),
    ('{"a": "x\\u0000y"}', "payload.a has a NUL character (U+0000)"),
    ('{"a": {"b": "\\ud800"}}', "payload.a.b has half of a surrogate pair"),
    ('{"a": 1, "a": 2}', "duplicate key 'a'"),
    ('{"a": 1e999999}', "1e999999 has more digits than PostgreSQL's numeric"),
    ('{"a": ' + "[" * 5_000 + "]" * 5_000 + "}", "nested too deeply"),
]


def test_what_a_person_wrote_and_nobody_can_store_is_refused_by_name(app: App, minutehand: Minutehand) -> None:
    app.workflow(email())
    for payload, why in REFUSED:
        done = minutehand.fed(payload, "enqueue", "Thank the client", "--payload", "@-")
        assert (done.returncode, done.stdout) == (2, ""), payload[:40]
        assert why in done.stderr
        assert "Traceback" not in done.stderr
    assert app.executions() == []
    file = 'name: x\norganization_id: north\ntrigger: job_completed\nsteps:\n- type: stop\n  name: "a\\0b"\n'
    (minutehand.folder / "bad.yaml").write_text(file)
    done = minutehand("workflows", "apply", "bad.yaml")
    assert "bad.yaml:6: the text has a NUL character" in done.stderr
    assert len(app.database.sql("select id from automation_workflows")) == 1


def test_a_value_nested_too_deeply_fails_the_step_that_uses_it_and_no_other(
    database: Database, minutehand: Minutehand, shop: Any
) -> None:
    app = App(database)
    app.database.sql("alter table jobs add deep jsonb, add good jsonb")
    deep = {
        "template": webhook(shop.url, body={"a": "{{ job.deep }}"}),
        "default body": webhook(shop.url),
        "another column": webhook(shop.url, body={"a": "{{ job.good }}"}),
    }
    for name, step in deep.items():
        app.workflow(step, name=name)
    app.complete()
    app.database.sql("update jobs set deep = (repeat('[', 2000) || repeat(']', 2000))::jsonb")
    app.database.sql("update jobs set good = (repeat('[', 150) || repeat(']', 150))::jsonb")
    minutehand.run_once()
    rows = app.database.sql(
        "select w.name, l.status, l.reason from automation_execution_logs l"
        " join automation_workflows w on w.id = l.workflow_id"
    )
    ends = {row["name"]: (row["status"], str(row["reason"])) for row in rows}
    assert ends["another column"][0] == "completed"
    assert [request.body for request in shop.requests] == [b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}"]
    assert ends["template"][0] == ends["default body"][0] == "failed"
    assert "{{ job.deep }}" in ends["template"][1]
    assert "context.job.deep[0]" in ends["default body"][1]
    assert all("is nested deeper than 200 levels" in ends[name][1] for name in ("template", "default body"))


@pytest.mark.parametrize("character", ["\\u0000", "\\ud800"])
def test_a_literal_that_nobody_can_send_fails_the_step_by_name(
    database: Database, minutehand: Minutehand, shop: Any, post: Any, character: str
) -> None:
    app = App(database)
    literal = f"a{{{{ '{character}' }}}}b"
    app.workflow(email(message=literal), webhook(shop.url, body={"x": literal}))
    app.complete()
    minutehand.run_once()
    steps = app.execution()["actions_executed"]
    assert [step["code"] for step in steps] == ["bad_template", "bad_template"]
    assert all("the text has" in step["error"] for step in steps)
    assert shop.requests == []
    assert post.messages == []


def test_only_records_are_shortened() -> None:
    long, deep = "x" * 100_000, list[Any]()
    deep.append(deep)
    kept = recordable({"error": long, "n": float("nan"), "deep": deep, "bytes": b"x", "nul": "a\0b"})
    assert kept["error"] == "x" * 65_536 + "… (cut)"
    assert (kept["n"], kept["bytes"], kept["nul"]) == (None, "b'x'", "ab")
    assert "nested too deeply" in str(kept["deep"])
