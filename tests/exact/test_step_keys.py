"""Each key of a step is read, refused by name, or named as one that is not read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.executor.actions import BUILT_IN, action_for
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.checks.workflow import diagnose
from minutehand.executor.dialects import read_plan
from minutehand.executor.outcome import Verdict
from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.contract.step_run import CONFIG, act, send_email, step_run
from tests.journeys.app import App, Minutehand, email
from tests.journeys.world import World, sms
from tests.providers.resend import ResendServer

MAIL = {"type": "email", "config": {"subject": "s", "message": "m"}}


def step(type_: str, **config: Any) -> dict[str, Any]:
    texts = {"email": {"subject": "s", "message": "m"}, "sms": {"message": "m"}, "notify": {"message": "m"}}
    return {"type": type_, "config": {**texts.get(type_, {}), **config}}


def unread(*steps: dict[str, Any]) -> list[str]:
    return [f"{path}: {note}" for path, note in read_plan({"steps": list(steps)}).unread]


def test_every_built_in_action_declares_its_keys() -> None:
    for type_ in BUILT_IN:
        if type_ != "condition":  # its dialects are read elsewhere
            assert isinstance(getattr(action_for(type_), "keys", None), tuple), type_


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (step("email", bccc="a@b.example"), "1: `bccc` is not read; did you mean `bcc`?"),
        (step("email", CC="a@b.example"), "1: `CC` is not read; did you mean `cc`?"),
        (step("email", replyto="a@b.example"), "1: `replyto` is not read; did you mean `reply_to`?"),
        (step("email", unsubscribe_url="https://x.example"), "1: `unsubscribe_url` is not read; did you mean"),
        (step("email", priority="high"), "1: `priority` is not read; email reads bcc, cc, html,"),
        (step("sms", mesage="x"), "1: `mesage` is not read; did you mean `message`?"),
        (step("sms", skip_credits=True), "1: `skip_credits` is not read; sms reads message, to"),
        (step("notify", channel="#jobs"), "1: `channel` is not read; notify reads"),
        (step("webhook", url="https://x.example", header={"a": "b"}), "did you mean `headers`?"),
        (step("webhook", url="https://x.example", timeout=5), "1: `timeout` is not read; webhook reads"),
        (step("function", name="f", headers={"a": "b"}), "1: `headers` is not read; function reads"),
        (step("update_record", table="t", values={"a": 1}, value=2), "did you mean `values`?"),
        (step("update_record", table="t", values={"a": 1}, where={"b": 2}), "1: `where` is not read; update_record"),
        (step("create_record", table="t", values={"a": 1}, returning="id"), "1: `returning` is not read"),
        (step("wait", **{"for": "2 days", "timezone": "UTC"}), "1: `timezone` is not read"),
        (step("stop", reason="x"), "1: `reason` is not read; stop reads no key"),
        (step("condition", conditions=[{"field": "a", "value": 1}], scope="x"), "1: `scope` is not read"),
    ],
)
def test_a_key_that_is_not_read_is_a_warning_that_names_it(given: dict[str, Any], note: str) -> None:
    (found,) = unread(given)
    assert note in found
    facts = {"trigger_type": "manual", "definition": {"steps": [given]}}
    (finding,) = [finding for finding in diagnose(facts).problems if finding.about == "steps"]
    assert (finding.level, finding.step, finding.breaks) == ("warning", "1", None)
    plan = read_plan({"steps": [given]})
    assert plan.steps[0].notes == (finding.text,)


@pytest.mark.parametrize(
    "given",
    [
        step("email", cc="a@b.example", bcc=["a@b.example"], replyTo="a@b.example", on_uncertain="hold"),
        step("email", ccEmails=["a@b.example"], bcc_email="a@b.example", reply_to_email="a@b.example"),
        step("email", attachments=[], mediaUrl="", **{"from": None}),
        step("email", delay="2 days", give_up_after="2 hours", continue_on_error=False, sendToClient=True),
        step("wait", delayValue=3, delayUnit="days"),
        step("wait", duration=3, unit="days"),
        {**MAIL, "cc": "a@b.example", "label": "Thanks", "position": {"x": 1}, "connections": []},
    ],
)
def test_what_is_read_is_not_warned_of(given: dict[str, Any]) -> None:
    plan = read_plan({"steps": [given]})
    assert (plan.unread, plan.notes) == ((), ())


def test_a_key_beside_the_config_that_is_not_read_is_noted() -> None:
    plan = read_plan({"steps": [{**MAIL, "runIf": "x", "subjct": "y"}]})
    assert plan.notes == (
        "step 1 (email): `runIf` is not read",
        "step 1 (email): `subjct` is not read; did you mean `subject`?",
    )


REFUSED = [
    *((step("email", **{key: ["a.pdf"]}), key) for key in ("attachments", "attachment", "files", "mediaUrl", "media")),
    *((step("email", **{key: "a@b.example"}), key) for key in ("from", "fromEmail", "from_name", "sender")),
    *((step("sms", **{key: "https://x.example/a.png"}), key) for key in ("mediaUrl", "media_url", "mediaUrls")),
    *((step("sms", **{key: "+12025550100"}), key) for key in ("from", "fromNumber", "cc", "bcc")),
    ({**MAIL, "attachments": [{"url": "https://x.example/a.pdf"}]}, "attachments"),
    ({"type": "send_sms", "message": "m", "mediaUrl": "https://x.example/a.png"}, "mediaUrl"),
    (step("email", cc="technician"), "cc"),
    (step("email", bcc=7), "bcc"),
    (step("email", reply_to=["a@b.example", "c@d.example"]), "reply_to"),
    (step("email", cc="a@b.example", ccEmail="c@d.example"), "ccEmail"),
]


@pytest.mark.parametrize(("given", "named"), REFUSED)
def test_what_is_not_supported_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(BadStep, match=f"`{named}`"):
        read_plan({"steps": [given]})


COPIES = {
    "to": "Client@example.com",
    "cc": "office@app.example, boss@straße.example",
    "bcc": ["archive@app.example", "office@app.example", "{{email}}"],
    "reply_to": "Office, Inc. <office@app.example>",
}
EVERYBODY = ["Client@example.com", "office@app.example", "boss@xn--strae-oqa.example", "archive@app.example"]


def test_copies_and_the_reply_address_by_smtp() -> None:
    with SmtpReceiver() as post:
        result = send_email(
            post.url, COPIES | {"bcc": ["archive@app.example", "Office@APP.example", "client@example.com"]}
        )
        assert result.verdict is Verdict.DONE
        (mail,) = post.messages
    assert list(mail.recipients) == EVERYBODY
    assert mail.message["To"] == "Client@example.com"
    assert mail.message["Cc"] == "office@app.example, boss@xn--strae-oqa.example"
    assert mail.message["Reply-To"] == '"Office, Inc." <office@app.example>'
    assert b"archive" not in mail.content
    assert result.send is not None
    assert result.send.recipient == ", ".join(sorted(EVERYBODY))


def test_copies_and_the_reply_address_by_resend() -> None:
    with ResendServer() as resend:
        run = step_run("email", CONFIG | COPIES | {"bcc": "archive@app.example"}, **resend.settings)
        assert act(run).verdict is Verdict.DONE
        (sent,) = resend.messages
    assert sent.body["to"] == ["Client@example.com"]
    assert sent.body["cc"] == ["office@app.example", "boss@xn--strae-oqa.example"]
    assert sent.body["bcc"] == ["archive@app.example"]
    assert sent.body["reply_to"] == '"Office, Inc." <office@app.example>'
    assert run.messages[0].recipient == ", ".join(sorted(EVERYBODY))
    assert run.messages[0].content["bcc"] == "archive@app.example"


def test_a_provider_that_knows_no_copies_gets_none() -> None:
    run = step_run("email", CONFIG | {"cc": "a@b.example"}, email_via="f", functions_url="http://127.0.0.1:1")
    result = act(run)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert "`cc` and `bcc`" in result.reason
    assert run.messages == []


@pytest.mark.parametrize("name", ["cc", "bcc"])
def test_a_copy_to_no_address_stops_the_message(name: str) -> None:
    with SmtpReceiver() as post:
        result = send_email(post.url, {name: "no address"})
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")
        assert post.connections == 0


def test_a_step_shows_what_was_not_read_and_an_attachment_stops_the_workflow(
    app: App, minutehand: Minutehand, post: SmtpReceiver, shop: HttpReceiver
) -> None:
    app.workflow(email(cc="office@app.example", bcc="archive@app.example", priority="high"), name="Copies")
    app.workflow(email(), email(attachments=["invoice.pdf"]), name="Invoice")
    app.complete()
    minutehand.run_once("--drain")
    (mail,) = post.messages
    assert mail.recipients == ("hotel@example.com", "office@app.example", "archive@app.example")
    rows = {row["code"]: row for row in app.executions()}
    assert {(row["code"], row["status"]) for row in rows.values()} == {(None, "completed"), ("bad_workflow", "failed")}
    assert "step 2 (email): `attachments` is not supported yet" in rows["bad_workflow"]["reason"]
    shown = minutehand("executions", "show", str(rows[None]["id"])).stdout
    assert "`priority` is not read; email reads" in shown
    dry = minutehand("workflows", "test", "Copies", "--row", "J-2019").stdout
    assert "`priority` is not read" in dry
    assert "bcc: archive@app.example" in dry
    listed = {row["name"]: row for row in json.loads(minutehand("workflows", "ls", "-o", "json").stdout)}
    assert listed["Copies"]["state"] == "on"
    assert "step 1: `priority` is not read" in str(listed["Copies"]["problems"])
    assert listed["Invoice"]["state"] == "will fail"
    assert "`priority` is not read" in minutehand("doctor").stdout


def test_copies_pass_the_rules_that_recipients_pass(world: World) -> None:
    world.app.database.sql(
        "insert into automation_opt_outs (tenant, channel, address) values ('north', 'email', 'boss@app.example')"
    )
    world.app.workflow(email(cc="boss@app.example", message="cc"), name="Opted out")
    world.app.workflow(email(bcc="boss@app.example", message="bcc"), name="Opted out, too")
    world.app.workflow(email(cc="office@app.example", message="one"), sms(), name="Sent")
    world.job()
    world.drain()
    arrived = sorted(mail.recipients for mail in world.post.messages)
    assert arrived == [("hotel@example.com",), ("hotel@example.com",), ("hotel@example.com", "office@app.example")]
    assert [str(mail.message["Cc"] or "") for mail in world.post.messages if "boss" in mail.content.decode()] == []
    sends = [send["recipient"] for send in world.app.sends() if send["status"] == "sent" and send["channel"] == "email"]
    assert sorted(sends) == ["hotel@example.com", "hotel@example.com", "hotel@example.com, office@app.example"]
