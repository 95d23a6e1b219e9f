"""doctor reads each watched table and each link as an execution does, and names what is in the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minutehand.scheduler.doctor.result import Result
from tests.servers import on_both_servers
from tests.sql.doctor import results_of
from tests.sql.jobs import session
from tests.sql.unusable import LINKED, WATCHED, App, Fault, app_on, ask, claim, settle

pytestmark = on_both_servers


@pytest.fixture
def app(server: str) -> Iterator[App]:
    """An app whose executions are pending."""
    with app_on(server) as made:
        made.change()
        yield made


def told(app: App, check: str = "tables") -> list[Result]:
    return [result for result in results_of(app.ours, check) if result.level != "ok"]


@pytest.mark.parametrize("fault", [fault for fault in WATCHED if fault.code != "table_missing"], ids=str)
def test_a_table_that_cannot_be_read_is_named(app: App, fault: Fault) -> None:
    assert told(app) == []
    with app.broken(fault):
        (result,) = told(app)
        words = [word for word in fault.words if not word.startswith("minutehand")]
        assert [word for word in words if app.say(word) not in result.fact] == [], result
        assert result.level == "fail"
        assert "is not unique" not in str(told(app, "triggers")), "a key that is gone is no key that is not unique"
    assert told(app) == []


@pytest.mark.parametrize("fault", LINKED, ids=str)
def test_a_link_that_cannot_be_read_is_named(app: App, fault: Fault) -> None:
    with app.broken(fault):
        (result,) = told(app)
        assert result.fact.startswith("jobs: client: ")
        assert [word for word in fault.words if app.say(word) not in result.fact] == [], result


@pytest.mark.parametrize(
    "break_it",
    [
        "revoke select on jobs from {owner}",
        "revoke select on clients from {owner}",
        "alter table jobs enable row level security",
        "alter table automation_workflows force row level security",
    ],
)
def test_its_sql_mends_it(app: App, break_it: str) -> None:
    app.admin.sql(app.say(break_it))
    (result,) = told(app)
    app.admin.sql(str(result.fix))
    assert told(app) == []


def test_rows_of_our_own_that_are_hidden_are_told_by_each_table(app: App) -> None:
    for row in app.admin.sql("select name from minutehand.own_tables()"):
        app.admin.sql(f"alter table {row['name']} enable row level security, force row level security")
        hidden = [{"table": row["name"], "role": app.owner, "forced": True}]
        assert app.ours.call("automation_schema_version")["hidden"] == hidden
        (result,) = told(app)
        assert (row["name"] in result.fact, app.owner in result.fact) == (True, True)
        app.admin.sql(str(result.fix))
    assert app.ours.call("automation_schema_version")["hidden"] == []


def test_the_command_for_a_renamed_column_keeps_the_watchs_other_settings(app: App) -> None:
    app.ours.call("automation_trigger_add", p_table="jobs", p_type="task", p_exclude=["title"], p_writable=True)
    app.admin.sql("alter table jobs rename id to job_no")
    (result,) = told(app)
    assert result.fix == (
        "minutehand trigger add jobs --id COLUMN --type task --status status --tenant organization_id"
        " --exclude title --writable"
    )


def test_who_holds_a_lock_is_named_without_the_query(app: App) -> None:
    with session(app.admin, autocommit=False) as holder:
        holder.sql("set application_name = 'nightly import'; lock table jobs in access exclusive mode; select 'hush'")
        pid = holder.connection.info.backend_pid
        (result,) = told(app)
        holder.connection.rollback()
    assert f"pid {pid} (nightly import) has locked jobs" in result.fact
    assert str(pid) in str(result.fix)
    assert "hush" not in str(app.ours.call("automation_doctor"))


def test_executions_of_a_renamed_table_can_follow_it(app: App) -> None:
    app.admin.sql("alter table jobs rename to work_orders")
    lease, rows = claim(app)
    settle(app, lease, rows, ask(app, "automation_context", lease, rows))
    (result,) = told(app)
    assert "3 executions wait for table jobs" in result.fact
    app.ours.sql(str(result.fix))
    assert told(app) == []
    lease, rows = claim(app, "2099-01-01T00:00:00Z")
    assert {answer["row"]["id"] for answer in ask(app, "automation_context", lease, rows).values()} == set(
        rows.values()
    )


@pytest.mark.parametrize("table", ["communication_logs", "automation_execution_logs", "jobs"])
def test_a_table_that_a_publication_keeps_from_being_updated_is_named(app: App, table: str) -> None:
    app.admin.sql(f"create publication feed for all tables; alter table {table} replica identity nothing")
    (result,) = told(app, "replica identity")
    assert (result.level, f"table {table} is in publication feed" in result.fact) == ("fail", True), result
    app.admin.sql(str(result.fix))
    assert told(app, "replica identity") == []
