"""`minutehand webhook-secret`: the secret by which a receiver verifies webhooks."""

from __future__ import annotations

import click

from minutehand.executor.webhook_secrets import MIN_BYTES, BadSecret, is_short, secrets_of
from minutehand.scheduler.cli.options import backend_options, output_option, webhook_secret_option
from minutehand.scheduler.cli.output import print_json
from minutehand.scheduler.cli.terminal import echo
from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import ask_store
from minutehand.store.errors import BadConfiguration
from minutehand.store.records import WebhookSigner


@click.group(
    "webhook-secret",
    short_help="Show the secret by which a receiver verifies webhooks.",
    epilog="Example: minutehand webhook-secret show --organization north",
)
def webhook_secret() -> None:
    """Show the secrets that sign webhooks.  Each tenant has its own, derived from MINUTEHAND_WEBHOOK_SECRET.

    Where every table is watched with --tenant none, and for workflows without a tenant, MINUTEHAND_WEBHOOK_SECRET
    itself signs.
    """


@webhook_secret.command("show", epilog="Example: minutehand webhook-secret show --organization north")
@click.option("--organization", metavar="ID", help="Whose workflows: organization_id.")
@click.option("--user", metavar="ID", help="Whose workflows: user_id of those without an organization_id.")
@webhook_secret_option
@output_option("text", "json")
@backend_options
def show(
    organization: str | None, user: str | None, webhook_secret: str | None, output: str, backend: BackendSettings
) -> None:
    """Print the secret that signs the webhooks of an organization or a user; without both, the operator's own.

    While MINUTEHAND_WEBHOOK_SECRET=new,old is rotated there are two, the new one first: webhooks carry both signatures,
    and a receiver verifies with either.
    """
    if organization is not None and user is not None:
        raise click.UsageError(
            "give --organization or --user, not both: a workflow with an organization signs for that"
        )
    try:
        if not secrets_of(webhook_secret, None):
            raise BadConfiguration(f"webhooks are not signed: set MINUTEHAND_WEBHOOK_SECRET to {_EXAMPLE}")
        signer: WebhookSigner = ask_store(
            backend, lambda store: store.webhook_signer(organization=organization, user=user)
        )
        secrets, short = secrets_of(webhook_secret, signer.tenant), is_short(webhook_secret)
    except BadSecret as error:
        raise BadConfiguration(str(error)) from None
    if short:
        echo(f"! MINUTEHAND_WEBHOOK_SECRET has less than {MIN_BYTES} bytes; make one as {_EXAMPLE}", err=True)
    if output == "json":
        tenant = signer.tenant and {"kind": signer.tenant.kind, "id": signer.tenant.id}
        print_json({"schema": 1, "tenant": tenant, "single_tenant": signer.single_tenant, "secrets": secrets})
        return
    echo(_whose(signer), err=True)
    for secret in secrets:
        echo(secret)


_EXAMPLE = "whsec_$(openssl rand -base64 32)"


def _whose(signer: WebhookSigner) -> str:
    if signer.tenant is not None:
        return f"signs the webhooks of {signer.tenant.kind} {signer.tenant.id}:"
    if signer.single_tenant:
        return "signs all webhooks, since every table is watched with --tenant none:"
    return "the operator's own; signs the webhooks of workflows without a tenant:"
