"""Who sees a tenant's webhook secret on the dashboard: only users with the permission `secrets`, never by default."""

from __future__ import annotations

import httpx
import pytest

from minutehand.executor.webhook_secrets import secrets_of
from minutehand.store.records import WebhookTenant
from tests.dashboard.served import Serve, Served
from tests.dashboard.users import Project, for_users, project, role
from tests.journeys.app import SECRET, App

__all__ = ["for_users", "project"]
LOGINS = (
    "ops:correct-horse-battery named:a-long-named-one=view,secrets north:the-north-tenant=view,secrets@north "
    "viewer:only-looks-at-it=view,payloads,retry@north"
)
(NORTH,) = secrets_of(SECRET, WebhookTenant(kind="organization", id="north"))
(SOUTH,) = secrets_of(SECRET, WebhookTenant(kind="organization", id="south"))


@pytest.fixture
def workflows(app: App) -> dict[str, str]:
    """Ids of workflows of two tenants and of none."""
    return {str(name): app.workflow(name=str(name), organization_id=name) for name in ("north", "south", None)}


def pages(served: Served, workflows: dict[str, str], auth: httpx.BasicAuth | None) -> dict[str, str]:
    """The page of each workflow."""
    return {
        name: served.client.get(f"{served.url}/workflows/{id_}", auth=auth or httpx.USE_CLIENT_DEFAULT).text
        for name, id_ in workflows.items()
    }


@pytest.mark.parametrize(
    ("name", "password", "seen"),
    [
        ("ops", "correct-horse-battery", {}),
        ("viewer", "only-looks-at-it", {}),
        ("named", "a-long-named-one", {"north": NORTH, "south": SOUTH}),
        ("north", "the-north-tenant", {"north": NORTH}),
    ],
)
def test_a_login_needs_the_permission_and_sees_its_own_tenants_alone(
    serve: Serve, workflows: dict[str, str], name: str, password: str, seen: dict[str, str]
) -> None:
    with serve(MINUTEHAND_LOGINS=LOGINS, MINUTEHAND_WEBHOOK_SECRET=SECRET) as served:
        for workflow, page in pages(served, workflows, httpx.BasicAuth(name, password)).items():
            assert ("whsec_" in page, SECRET in page) == (workflow in seen, False)
            if workflow in seen:
                assert seen[workflow].replace("+", "&#43;") in page or seen[workflow] in page


def test_nobody_sees_it_without_a_login(serve: Serve, workflows: dict[str, str]) -> None:
    with serve(MINUTEHAND_WEBHOOK_SECRET=SECRET) as served:
        assert "whsec_" not in "".join(pages(served, workflows, None).values())


def test_a_user_of_the_project_needs_a_claim_of_its_own(
    for_users: Served, project: Project, workflows: dict[str, str]
) -> None:
    url = f"{for_users.url}/workflows/{workflows['north']}"
    for claims, sees in (
        (role("admin"), False),
        (role("admin", minutehand_secrets="true"), False),
        ({**role("viewer"), "user_metadata": {"minutehand_secrets": True}}, False),
        ({"app_metadata": {"minutehand_role": "viewer", "minutehand_secrets": True}}, True),
    ):
        headers = {"Authorization": f"Bearer {project.token(**claims)}"}
        assert ("whsec_" in for_users.client.get(url, headers=headers).text) == sees, claims


def test_while_it_is_rotated_both_are_shown_and_without_a_secret_none(serve: Serve, workflows: dict[str, str]) -> None:
    for secret, count in ((f"whsec_bmV3,{SECRET}", 2), (None, 0), ("hush", 0)):
        with serve(MINUTEHAND_LOGINS=LOGINS, MINUTEHAND_WEBHOOK_SECRET=secret) as served:
            page = pages(served, workflows, httpx.BasicAuth("named", "a-long-named-one"))["north"]
            assert page.count("whsec_") == count
