"""`minutehand doctor`, as an operator calls it: on a broken database, on none, and over REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.journeys.app import App, Minutehand, email
from tests.servers import Database
from tests.supabase.stack import Project, on_both_grants, on_both_stacks


def looked(minutehand: Minutehand, **environment: str | None) -> tuple[int, dict[str, Any]]:
    """Exit code and answer."""
    done = minutehand("doctor", "-o", "json", **environment)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def said(answer: dict[str, Any], level: str) -> list[str]:
    """The checks that say this."""
    return [line["check"] for line in answer["checks"] if line["level"] == level]


def test_what_is_broken_is_named_mended_and_well(app: App, database: Database, minutehand: Minutehand) -> None:
    minutehand("migrate")  # the tests' clock is a function that was replaced
    app.workflow(email())
    minutehand.run_once()
    code, answer = looked(minutehand)
    assert (code, answer["backend"], answer["kind"], said(answer, "fail"), said(answer, "warn")) == (
        0, "postgres", "direct", [], [],
    )  # fmt: skip
    database.sql('alter table jobs disable trigger "!minutehand_capture"')
    database.sql('create policy "all in" on automation_execution_logs using (true)')
    database.sql("drop function public.automation_cancel")
    code, answer = looked(minutehand, SMTP_URL=None)  # what the processor reported counts, not this command's settings
    assert (code, answer["fail"]) == (3, 4)
    assert said(answer, "fail") == ["functions", "policies", "triggers", "workflows"]
    table = minutehand("doctor")
    assert (table.returncode, table.stderr) == (3, "")
    assert table.stdout.endswith("4 fail, 0 warn, 27 ok\n")
    for line in answer["checks"]:
        if str(line["fix"]).startswith("minutehand "):
            assert minutehand(*line["fix"].split()[1:]).returncode == 0
        elif str(line["fix"]).startswith(("alter", "drop")):
            database.sql(line["fix"])
    assert looked(minutehand)[0] == 0


def test_a_database_without_our_schema_is_told_what_to_do(empty_database: Database, tmp_path: Path) -> None:
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})
    code, answer = looked(minutehand)
    assert (code, said(answer, "fail")) == (3, ["schema"])
    assert answer["checks"][-1]["fix"] == "minutehand migrate"
    assert minutehand("migrate").returncode == 0
    assert looked(minutehand)[0] == 0


def test_a_database_that_does_not_answer_is_exit_69(tmp_path: Path) -> None:
    done = Minutehand(tmp_path, {"DATABASE_URL": "postgresql://u:hush@127.0.0.1:9/x"})("doctor")
    assert (done.returncode, done.stdout, done.stderr.count("\n"), "hush" in done.stderr) == (69, "", 1, False)


@on_both_stacks
@on_both_grants
def test_over_rest_the_same_is_seen(project: Project, tmp_path: Path) -> None:
    environment = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    minutehand = Minutehand(tmp_path, environment)
    code, answer = looked(minutehand)
    assert (code, answer["backend"], answer["kind"], said(answer, "fail")) == (0, "supabase", "rest", []), answer
    project.owner.sql("create policy hole on automation_execution_logs using (true)")
    project.owner.sql("alter table automation_workers disable row level security")
    project.owner.sql("grant select on automation_workers to anon")
    project.owner.sql("grant execute on function automation_metrics(boolean, timestamptz) to anon, public")
    code, answer = looked(minutehand)
    assert (code, said(answer, "fail")) == (3, ["grants", "row security", "policies"])
    for line in answer["checks"]:
        if line["level"] == "fail":
            project.owner.sql(line["fix"])
    assert looked(minutehand)[0] == 0


def test_where_the_server_may_not_call_us_it_is_said(project: Project, tmp_path: Path) -> None:
    project.owner.sql("revoke execute on function automation_claim from service_role")
    owner = Minutehand(tmp_path, {"DATABASE_URL": project.database.url})
    code, answer = looked(owner)
    (line,) = [line for line in answer["checks"] if line["level"] == "fail"]
    assert (code, line["check"], "service_role" in line["fact"]) == (3, "grants", True)
    project.owner.sql(line["fix"])
    assert looked(owner)[0] == 0


def test_direct_mode_and_its_secret_are_looked_at(project: Project, tmp_path: Path) -> None:
    minutehand = Minutehand(tmp_path, {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key})
    project.install_net()
    project.database.call("automation_direct_on", p_url="https://example.com/x", p_token="t" * 40)
    _, answer = looked(minutehand)
    (line,) = [line for line in answer["checks"] if line["check"] == "direct mode"]
    assert (line["level"], line["fact"]) == ("ok", "on (pg_net installed, Vault installed, pg_cron installed)"), line
    project.database.sql("delete from vault.secrets")
    code, answer = looked(minutehand)
    (line,) = [line for line in answer["checks"] if line["check"] == "direct mode"]
    assert (code, line["level"], line["fix"]) == (3, "fail", "minutehand direct rotate")
