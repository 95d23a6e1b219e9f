"""What a scenario works with: the app, its customers' mailboxes and phones, and the command, on both backends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import SECRET, App, Minutehand
from tests.providers.twilio import TwilioServer
from tests.supabase.stack import Project

BACKENDS = ("postgres", "supabase")
#: The clients' phone numbers; one is not in the form that a provider takes.
MORE = """
alter table clients add column phone text;
update clients set phone = '+1 (202) 555-0123' where id = 'C-1';
update clients set phone = '+12025550199' where id = 'C-3';
insert into clients values ('C-4', 'north', 'Quiet Office', 'office@example.com', null);
alter table jobs add column job_type text, add column service text, add column property_address text;
"""
LAKEVIEW, MUSEUM = "+12025550123", "+12025550199"


@dataclass
class World:
    """What one scenario works with.  `shop` receives webhooks, `post` is the mail server, `texts` the SMS provider."""

    backend: str
    app: App
    minutehand: Minutehand
    post: SmtpReceiver
    texts: TwilioServer
    shop: HttpReceiver
    #: With the backend `supabase`.
    project: Project | None = None

    def __post_init__(self) -> None:
        self.app.database.sql(MORE)
        self.minutehand.environment |= {
            "SMTP_URL": self.post.url,
            "EMAIL_FROM": "Acme <no-reply@example.com>",
            "MINUTEHAND_WEBHOOK_SECRET": SECRET,
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{self.shop.port}",
            **{name.upper(): value for name, value in self.texts.settings.items()},
        }

    def job(self, status: str = "completed", /, **columns: Any) -> str:
        """Create a job of the Lakeview Hotel, set its status with an UPDATE, and return its id."""
        job = f"J-{self.app.database.one('select count(*) + 1 as n from jobs')['n']}"
        row = {"id": job, "organization_id": "north", "client_id": "C-1", **columns}
        places = ", ".join(["%s"] * len(row))
        self.app.database.sql(f"insert into jobs ({', '.join(row)}) values ({places})", *row.values())
        self.move(job, status)
        return job

    def move(self, job: str, status: str) -> None:
        """Set the status of a job, as the app does."""
        self.app.database.sql("update jobs set status = %s where id = %s", status, job)

    def drain(self, *arguments: str) -> dict[str, Any]:
        """Run everything that is due, and return the summary."""
        return self.minutehand.run_once("--drain", *arguments)

    def email_by_function(self, name: str) -> dict[str, str]:
        """Send e-mails through the app's edge function `name`, answered by `shop`; returns the settings for it."""
        if self.project is not None:
            self.project.route(name, self.shop.url)
            return {"MINUTEHAND_EMAIL_VIA": name}
        return {
            "MINUTEHAND_EMAIL_VIA": name,
            "SUPABASE_URL": self.shop.url,
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_of_the_functions",
        }

    def insert_log(self, workflow: str, **columns: Any) -> None:
        """Insert an execution, as a trigger of the app does."""
        row = {"workflow_id": workflow, "organization_id": "north", "trigger_type": "job_status_changed", **columns}
        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        query = f"insert into automation_execution_logs ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})"
        self.app.database.sql(query, *values)

    def ends(self) -> Counter[tuple[str, str | None]]:
        """The number of executions, by status and code."""
        rows = self.app.database.sql(
            "select status, code, count(*)::int as n from automation_execution_logs group by 1, 2"
        )
        return Counter({(row["status"], row["code"]): row["n"] for row in rows})

    def mails(self) -> list[tuple[str, str]]:
        """The e-mails that arrived: recipient and text."""
        parts = [(mail.recipients[0], mail.message.get_body(("plain",))) for mail in self.post.messages]
        return [(recipient, str(part.get_content()).strip()) for recipient, part in parts if part is not None]

    def sms(self) -> list[tuple[str, str]]:
        """The SMS that arrived: number and text."""
        return [(sent.recipient, sent.body["Body"]) for sent in self.texts.messages]

    def hooks(self) -> list[str]:
        """The paths of the webhooks that arrived, in order."""
        return [request.path for request in self.shop.requests]

    def nothing_left(self) -> bool:
        """Whether no message was sent or tried."""
        return self.post.connections == 0 and self.texts.requests == [] == self.shop.requests


def sms(message: str = "Job {{job.id}} is done.", **config: Any) -> dict[str, Any]:
    """An SMS step to the client."""
    return {"type": "sms", "config": {"message": message, **config}}
