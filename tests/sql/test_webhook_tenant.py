"""Whose secret signs a workflow's webhooks: its organization's, its user's, or the operator's."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import move, watched_jobs, workflow

pytestmark = servers.on_both_servers


def signer(database: Database, **whose: str | None) -> Any:
    return database.call("automation_webhook_tenant", **{f"p_{name}": value for name, value in whose.items()})


@pytest.mark.parametrize(
    ("organization", "user", "tenant"),
    [
        ("north", None, {"kind": "organization", "id": "north"}),
        ("north", "ann", {"kind": "organization", "id": "north"}),
        (None, "ann", {"kind": "user", "id": "ann"}),
        ("", "ann", {"kind": "organization", "id": ""}),
        (None, None, None),
    ],
)
def test_an_organization_comes_before_a_user_and_nobody_is_the_operator(
    database: Database, organization: str | None, user: str | None, tenant: Any
) -> None:
    assert signer(database, organization=organization, user=user) == {"single_tenant": False, "tenant": tenant}


def test_only_if_every_watched_table_has_no_tenant_the_installation_has_a_single_one(database: Database) -> None:
    database.sql("create table a (id int primary key, user_id text); create table b (id int primary key)")
    steps = [
        ("a", "none", True),
        ("b", "none", True),
        ("a", "user_id", False),
        ("a", "none", True),
    ]
    assert not signer(database)["single_tenant"], "nothing is watched yet"
    for table, tenant, single in steps:
        database.call("automation_trigger_add", p_table=table, p_tenant=tenant, p_status=None)
        assert signer(database, user="ann") == {
            "single_tenant": single,
            "tenant": None if single else {"kind": "user", "id": "ann"},
        }


def test_only_adding_or_removing_a_watched_table_changes_whose_secret_signs(database: Database) -> None:
    database.sql("create table a (id int primary key, user_id text); create table b (id int primary key)")
    for table, tenant in (("b", "none"), ("a", "user_id")):
        database.call("automation_trigger_add", p_table=table, p_tenant=tenant, p_status=None)
    database.sql("drop table a")
    assert not signer(database)["single_tenant"], (
        "tenants' webhooks are not signed by the operator because a table went"
    )
    database.call("automation_trigger_add", p_table="b", p_tenant="none", p_status=None)
    assert signer(database)["single_tenant"]
    database.call("automation_trigger_remove", p_table="b")
    assert signer(database)["single_tenant"], "nothing is watched, so nothing is decided anew"


def test_an_id_is_written_as_its_column_writes_it(database: Database) -> None:
    database.sql("alter table automation_workflows alter column organization_id type uuid using organization_id::uuid")
    id_ = uuid.uuid4()
    assert signer(database, organization=f"{{{str(id_).upper()}}}")["tenant"]["id"] == str(id_)
    with pytest.raises(psycopg.Error, match="not a value of automation_workflows") as no:
        signer(database, organization="north")
    assert no.value.sqlstate == "MH400"


def test_the_claim_names_the_tenant_of_the_version_that_runs(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    move(database, "done")
    database.sql("update automation_workflows set organization_id = 'south'")
    database.sql("update automation_execution_logs set user_id = 'mallory'")
    claim = database.call("automation_claim", p_token=str(uuid.uuid4()))
    (claimed,) = claim["workflows"].values()
    assert claimed["webhook_tenant"] == {"kind": "organization", "id": claimed["definition"]["organization_id"]}
    assert claimed["definition"]["organization_id"] != "south"
