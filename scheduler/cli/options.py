"""The options of the commands, with their environment variables, parsed into the records of `scheduler/config.py`."""

from __future__ import annotations

import os
import sys
from collections import ChainMap
from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce, wraps
from pathlib import Path
from typing import Any

import click

from minutehand.executor.base import EXECUTORS
from minutehand.executor.durations import BadDuration, format_exact, parse_duration
from minutehand.executor.providers import EMAIL_FROM, EMAIL_PROVIDERS, SMS_PROVIDERS, built_in_settings
from minutehand.executor.settings import ExecutorSettings, Setting
from minutehand.executor.targets.names import split_targets
from minutehand.executor.text.domains import BadDomain, ascii_domain
from minutehand.scheduler.config import AlertSettings, BackendSettings, DashboardSettings, LogSettings, RunSettings


class Seconds(click.ParamType[float]):
    """A duration in seconds: `50`, `50s`, `5m`, `2h`, `3 days`."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the text; a number passes."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(str(value), default_unit="second")
        except BadDuration as error:
            self.fail(str(error), param, ctx)


SECONDS = Seconds()


class SecondsOrOff(Seconds):
    """A duration of at least `minimum` seconds, or `off` (None)."""

    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text."""
        if str(value).strip().lower() == "off":
            return None
        seconds = super().convert(value, param, ctx)
        if seconds < self.minimum:
            self.fail(f"{value!r} is too short: write at least {format_exact(int(self.minimum))}, or off", param, ctx)
        return seconds


class ExecutorName(click.ParamType[str]):
    """The name of an executor that exists, built in or of a plug-in."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the name."""
        name = str(value)
        if name not in EXECUTORS:
            self.fail(f"unknown executor {name!r}; choose one of: {', '.join(EXECUTORS.names())}", param, ctx)
        return name


class Option(click.Option):
    """An option whose errors also name its variable, where the bad value may come from."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """See click."""
        hint = super().get_error_hint(ctx)
        return f"{hint} (or {self.envvar})" if self.envvar else hint


_option = partial(click.option, cls=Option)
#: The defaults of the options are those of the records.
RUN, ALERT, LOG = RunSettings(), AlertSettings(), LogSettings()

_BACKEND_OPTIONS = [
    _option("--database-url", envvar="DATABASE_URL", metavar="URL", help="The app's PostgreSQL.  [env: DATABASE_URL]"),
    _option(
        "--supabase-url",
        envvar="SUPABASE_URL",
        metavar="URL",
        help="A Supabase project, reached over its REST API.  [env: SUPABASE_URL]",
    ),
    _option(
        "--supabase-key",
        envvar="SUPABASE_SERVICE_ROLE_KEY",
        metavar="KEY",
        help="The project's secret key: sb_secret_…, or the legacy service_role.  [env: SUPABASE_SERVICE_ROLE_KEY]",
    ),
    _option(
        "--home",
        envvar="MINUTEHAND_HOME",
        type=click.Path(path_type=Path),
        help="Folder of the embedded PostgreSQL, used when no database is configured.  [env: MINUTEHAND_HOME]",
    ),
    _option(
        "--backend",
        envvar="MINUTEHAND_BACKEND",
        type=click.Choice(["postgres", "supabase", "embedded"]),
        help="Use this backend even if others are configured.  [env: MINUTEHAND_BACKEND]",
    ),
]
#: Separate because commands that only check workflows also take it.
executor_option = _option(
    "--executor", envvar="MINUTEHAND_EXECUTOR", type=ExecutorName(), metavar="local|function|http|NAME",
    default=RUN.executor, show_default=True,
    help="Where steps run: here, in the edge function, at --executor-url, or in a plug-in's executor."
    "  [env: MINUTEHAND_EXECUTOR]",
)  # fmt: skip
_RUN_OPTIONS = [
    _option(
        "-n", "--batch-size", envvar="MINUTEHAND_BATCH_SIZE", type=click.IntRange(1, 10_000), default=RUN.batch_size,
        show_default=True, help="Executions per tick.  [env: MINUTEHAND_BATCH_SIZE]",
    ),
    _option(
        "--concurrency", envvar="MINUTEHAND_CONCURRENCY", type=click.IntRange(1, 1000), default=RUN.concurrency,
        show_default=True,
        help="Executions that run at the same time.  [env: MINUTEHAND_CONCURRENCY]",
    ),
    _option(
        "--lease-seconds", envvar="MINUTEHAND_LEASE_SECONDS", type=click.IntRange(10, 86_400),
        default=RUN.lease_seconds, show_default=True,
        help="How long a claim lasts without renewal.  [env: MINUTEHAND_LEASE_SECONDS]",
    ),
    _option(
        "--max-attempts", envvar="MINUTEHAND_MAX_ATTEMPTS", type=click.IntRange(1, 100), default=RUN.max_attempts,
        show_default=True,
        help="Attempts before a step fails.  [env: MINUTEHAND_MAX_ATTEMPTS]",
    ),
    _option(
        "--grace", "grace_seconds", envvar="MINUTEHAND_GRACE_SECONDS", type=SECONDS, default=RUN.grace_seconds,
        show_default=True,
        help="How long running executions may continue after SIGTERM.  [env: MINUTEHAND_GRACE_SECONDS]",
    ),
    _option(
        "--hold-later-than", "hold_seconds", envvar="MINUTEHAND_HOLD_LATER_THAN", default=RUN.hold_seconds,
        type=SecondsOrOff(minimum=300.0),  # less would hold what cron's own delay makes late
        metavar="TIME|off", show_default=True,
        help="After an outage of all processors, hold executions later than this.  [env: MINUTEHAND_HOLD_LATER_THAN]",
    ),
    _option(
        "--keep", "keep_seconds", envvar="MINUTEHAND_KEEP", type=SecondsOrOff(minimum=86_400.0), default="off",
        metavar="TIME|off", show_default=True,
        help="Delete ended executions that are older than this, in small batches: 90d.  [env: MINUTEHAND_KEEP]",
    ),
    executor_option,
    _option(
        "--executor-url", envvar="MINUTEHAND_EXECUTOR_URL", metavar="URL",
        help="URL of the http executor.  [env: MINUTEHAND_EXECUTOR_URL]",
    ),
    _option(
        "--executor-token", envvar="MINUTEHAND_API_TOKEN", metavar="TOKEN[,TOKEN]",
        help="Token sent to the http executor; of two, the first.  [env: MINUTEHAND_API_TOKEN]",
    ),
    _option(
        "--executor-timeout", "executor_timeout_seconds", envvar="MINUTEHAND_EXECUTOR_TIMEOUT", type=SECONDS,
        default=RUN.executor_timeout_seconds, show_default=True,
        help="How long the function or http executor may take to reply.  [env: MINUTEHAND_EXECUTOR_TIMEOUT]",
    ),
]  # fmt: skip
_PING_OPTIONS = [
    _option(
        "--ping-url", envvar="MINUTEHAND_PING_URL", metavar="URL",
        help="URL to call when a run starts and ends, as healthchecks.io expects.  [env: MINUTEHAND_PING_URL]",
    ),
]  # fmt: skip
_ALERT_OPTIONS = [
    _option(
        "--alert-urls", envvar="MINUTEHAND_ALERT_URLS", metavar="URL …", default="",
        help="Where alerts go: Apprise URLs, separated by spaces.  [env: MINUTEHAND_ALERT_URLS]",
    ),
    _option(
        "--alert-failed-share", "share", envvar="MINUTEHAND_ALERT_FAILED_SHARE", type=click.FloatRange(0, 1),
        default=ALERT.share, show_default=True, metavar="SHARE",
        help="Alert when this share of a workflow fails within 15 minutes.  [env: MINUTEHAND_ALERT_FAILED_SHARE]",
    ),
    _option(
        "--alert-max-age", "age_seconds", envvar="MINUTEHAND_ALERT_MAX_AGE", type=SECONDS, default=ALERT.age_seconds,
        show_default=True,
        help="Alert when the oldest due execution has waited longer.  [env: MINUTEHAND_ALERT_MAX_AGE]",
    ),
]  # fmt: skip


def _provider_option(setting: Setting) -> Any:
    """Return the flag of a provider's setting: `--api-key` for `API_KEY`."""
    return _option(
        f"--{setting.variable.lower().replace('_', '-')}", envvar=setting.variable, metavar=setting.metavar,
        default=setting.default or None, show_default=bool(setting.default),
        help=f"{setting.help}  [env: {setting.variable}]",
    )  # fmt: skip


#: Separate because `webhook-secret show` also takes it.
webhook_secret_option = _option(
    "--webhook-secret", envvar="MINUTEHAND_WEBHOOK_SECRET", metavar="SECRET[,SECRET]",
    help="Secret that signs webhooks, and from which each tenant's is derived: whsec_…; of two, both sign."
    "  [env: MINUTEHAND_WEBHOOK_SECRET]",
)  # fmt: skip
_PROVIDER_SETTINGS = tuple(built_in_settings())
_EXECUTOR_OPTIONS = [
    _option(
        "--email-via", envvar="MINUTEHAND_EMAIL_VIA", metavar=f"{'|'.join(EMAIL_PROVIDERS.built_in)}|NAME",
        help="What sends e-mail: a provider or an edge function.  Default: the provider that is configured."
        "  [env: MINUTEHAND_EMAIL_VIA]",
    ),
    _option(
        "--sms-via", envvar="MINUTEHAND_SMS_VIA", metavar=f"{'|'.join(SMS_PROVIDERS.built_in)}|NAME",
        help="What sends text messages: a provider or an edge function.  Default: the provider that is configured."
        "  [env: MINUTEHAND_SMS_VIA]",
    ),
    *map(_provider_option, _PROVIDER_SETTINGS),
    _option(
        "--phone-region", envvar="MINUTEHAND_PHONE_REGION", metavar="CC",
        help="Country of phone numbers without a country code: US, DE, ….  [env: MINUTEHAND_PHONE_REGION]",
    ),
    _option(
        "--functions", envvar="MINUTEHAND_FUNCTIONS", metavar="NAME,…", default="",
        help="Edge functions that workflows may call.  [env: MINUTEHAND_FUNCTIONS]",
    ),
    _option(
        "--notify-urls", envvar="MINUTEHAND_NOTIFY_URLS", metavar="URL …", default="",
        help="Where `notify` steps send: Apprise URLs, also named (north=URL, ops@*=URL), separated by spaces.  "
        "[env: MINUTEHAND_NOTIFY_URLS]",
    ),
    webhook_secret_option,
    _option(
        "--allow-private-addresses", envvar="MINUTEHAND_ALLOW_PRIVATE_ADDRESSES", metavar="1|HOST:PORT,…", default="",
        help="Private addresses that workflows may reach.  [env: MINUTEHAND_ALLOW_PRIVATE_ADDRESSES]",
    ),
]  # fmt: skip
_LOG_OPTIONS = [
    _option(
        "--log-level", envvar="MINUTEHAND_LOG_LEVEL", default=LOG.log_level, show_default=True,
        type=click.Choice(["debug", "info", "warning", "error"]), help="How much to log.  [env: MINUTEHAND_LOG_LEVEL]",
    ),
    _option(
        "--log-format", envvar="MINUTEHAND_LOG_FORMAT", default=LOG.log_format, show_default=True,
        type=click.Choice(["auto", "console", "json"]),
        help="auto: console at a terminal, JSON otherwise.  [env: MINUTEHAND_LOG_FORMAT]",
    ),
]  # fmt: skip

_DASHBOARD_OPTIONS = [
    _option(
        "--logins", envvar="MINUTEHAND_LOGINS", metavar="NAME:PASSWORD …", default="",
        help="Users of the dashboard, optionally with =permissions and @tenant.  [env: MINUTEHAND_LOGINS]",
    ),
    _option(
        "--supabase-users", envvar="MINUTEHAND_SUPABASE_USERS", is_flag=True,
        help="Let the project's users log in, by app_metadata.minutehand_role.  [env: MINUTEHAND_SUPABASE_USERS]",
    ),
    _option(
        "--supabase-jwt-secret", envvar="SUPABASE_JWT_SECRET", metavar="SECRET",
        help="Verifies their tokens if the project still signs with a secret.  [env: SUPABASE_JWT_SECRET]",
    ),
    _option(
        "--proxy-header", envvar="MINUTEHAND_PROXY_HEADER", metavar="NAME", default="",
        help="Header in which a proxy names the user.  [env: MINUTEHAND_PROXY_HEADER]",
    ),
    _option(
        "--proxy-from", envvar="MINUTEHAND_PROXY_FROM", metavar="ADDRESS,…", default="",
        help="Addresses of the proxy; requests from elsewhere are refused.  [env: MINUTEHAND_PROXY_FROM]",
    ),
    _option(
        "--read-only", envvar="MINUTEHAND_READ_ONLY", is_flag=True,
        help="Disable all actions of the dashboard.  [env: MINUTEHAND_READ_ONLY]",
    ),
    _option(
        "--dashboard/--no-dashboard", envvar="MINUTEHAND_DASHBOARD", default=True, show_default=True,
        help="Show the dashboard at /.  [env: MINUTEHAND_DASHBOARD]",
    ),
]  # fmt: skip

#: Separate because `direct`, which serves nothing, also takes it.
direct_token_option = _option(
    "--direct-token", envvar="MINUTEHAND_DIRECT_TOKEN", metavar="TOKEN[,TOKEN]",
    help="Token of direct mode: runs an execution, reads its status alone; of two, both are valid."
    "  [env: MINUTEHAND_DIRECT_TOKEN]",
)  # fmt: skip
_TOKEN_OPTIONS = [
    _option(
        "--api-token", envvar="MINUTEHAND_API_TOKEN", metavar="TOKEN[,TOKEN]",
        help="Token of callers that run an execution and read its results; of two, both are valid."
        "  [env: MINUTEHAND_API_TOKEN]",
    ),
    direct_token_option,
    _option(
        "--metrics-token", envvar="MINUTEHAND_METRICS_TOKEN", metavar="TOKEN[,TOKEN]",
        help="Token of callers that read /metrics; of two, both are valid.  [env: MINUTEHAND_METRICS_TOKEN]",
    ),
]  # fmt: skip

#: For the commands that run continuously.
poll_option = _option(
    "--poll-seconds", envvar="MINUTEHAND_POLL_SECONDS", type=SECONDS, default=10.0, show_default=True,
    callback=lambda context, option, value: _at_least(0.1, value),
    help="Poll at least this often, even without a notification.  [env: MINUTEHAND_POLL_SECONDS]",
)  # fmt: skip


def backend_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose the database; the command gets `backend: BackendSettings`."""

    @wraps(command)
    def called(**values: Any) -> Any:
        return command(backend=_take(_backend_settings, _BACKEND_OPTIONS, values), **values)

    return _with(called, _BACKEND_OPTIONS)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of everything that runs executions.

    The command gets `backend: BackendSettings`, `run: RunSettings`, `executor: ExecutorSettings` and
    `log: LogSettings`.
    """

    @wraps(command)
    def called(**values: Any) -> Any:
        run = _take(RunSettings, _RUN_OPTIONS, values)
        run = replace(run, alert=_take(AlertSettings, _ALERT_OPTIONS, values), **_take(dict, _PING_OPTIONS, values))
        executor = _take(partial(_executor_settings, values["backend"]), _EXECUTOR_OPTIONS, values)
        if run.executor in ("function", "http"):
            from minutehand.scheduler.executor_config import with_remote

            run, executor = with_remote(run, executor, values["backend"])
        elif executor.value(EMAIL_FROM):
            from minutehand.scheduler.executor_config import check_sender

            check_sender(executor)
        return command(run=run, executor=executor, log=_take(LogSettings, _LOG_OPTIONS, values), **values)

    return backend_options(
        _with(called, [*_RUN_OPTIONS, *_ALERT_OPTIONS, *_PING_OPTIONS, *_EXECUTOR_OPTIONS, *_LOG_OPTIONS])
    )


def alert_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of alerts; the command gets `alert: AlertSettings` and `log: LogSettings`."""

    @wraps(command)
    def called(**values: Any) -> Any:
        return command(
            alert=_take(AlertSettings, _ALERT_OPTIONS, values), log=_take(LogSettings, _LOG_OPTIONS, values), **values
        )

    return _with(called, [*_ALERT_OPTIONS, *_LOG_OPTIONS])


def dashboard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the dashboard's users; the command gets `dashboard: DashboardSettings`."""

    @wraps(command)
    def called(**values: Any) -> Any:
        return command(dashboard=_take(DashboardSettings, _DASHBOARD_OPTIONS, values), **values)

    return _with(called, _DASHBOARD_OPTIONS)


def token_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the tokens that callers of `serve` send; the command gets `tokens: ServeTokens`."""

    @wraps(command)
    def called(**values: Any) -> Any:
        from minutehand.dashboard.api.tokens import ServeTokens

        return command(tokens=_take(ServeTokens.parse, _TOKEN_OPTIONS, values), **values)

    return _with(called, _TOKEN_OPTIONS)


def output_option(*formats: str) -> Callable[[Any], Any]:
    """Add `-o`; the first format is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Format of the result.",
    )


yes_option = click.option("--yes", is_flag=True, help="Do not ask at a terminal.")


def _at_least(minimum: float, value: float) -> float:
    if value < minimum:
        raise click.BadParameter(f"must be at least {minimum:g}")
    return value


def _with(command: Callable[..., Any], options: list[Any]) -> Callable[..., Any]:
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _take(make: Callable[..., Any], options: list[Any], values: dict[str, Any]) -> Any:
    """Make a record of these options, and remove them from `values`."""
    names = [parameter.name for parameter in _with(lambda: None, options).__click_params__]  # type: ignore[attr-defined]
    return make(**{name: values.pop(name) for name in names})


def _backend_settings(
    *,
    database_url: str | None,
    supabase_url: str | None,
    supabase_key: str | None,
    home: Path | None,
    backend: str | None,
) -> BackendSettings:
    """Return the settings, with whether a person is at the terminal."""
    return BackendSettings(
        database_url=database_url or None,
        home=home,
        backend=backend,
        supabase_url=supabase_url or None,
        supabase_key=supabase_key or None,
        at_terminal=sys.stdin.isatty() or sys.stderr.isatty(),
    )


def _executor_settings(
    backend: BackendSettings, *, allow_private_addresses: str, functions: str, notify_urls: str, **values: Any
) -> ExecutorSettings:
    from minutehand.executor.tracing import is_wanted  # it imports asyncio, which is for commands that run something

    names = frozenset(name.strip() for name in functions.split(",") if name.strip())
    if names or values["email_via"] or values["sms_via"]:
        from minutehand.scheduler.executor_config import functions_of

        values |= functions_of(backend)
    chosen = {setting.variable: values.pop(setting.variable.lower()) for setting in _PROVIDER_SETTINGS}
    flags = {variable: value for variable, value in chosen.items() if value is not None}
    return ExecutorSettings(
        provider_values=ChainMap(flags, os.environ),  # a provider of a plug-in has variables, but no flags
        allow_private_addresses=private_addresses(allow_private_addresses),
        functions=names,
        notify_urls=split_targets(notify_urls),
        traces=is_wanted(os.environ),
        **values,
    )


def private_addresses(text: str) -> bool | frozenset[str]:
    """Parse `--allow-private-addresses`: nothing, `1` for all, or `host:port,…`.

    >>> private_addresses(""), private_addresses("1"), sorted(private_addresses("10.0.0.5:80, db:81"))
    (False, True, ['10.0.0.5:80', 'db:81'])
    """
    if text.strip().lower() in ("", "0", "off", "false", "no"):
        return False
    if text.strip().lower() in ("1", "on", "true", "yes"):
        return True
    pairs = frozenset(part.strip() for part in text.split(",") if part.strip())
    for pair in pairs:
        try:
            ascii_domain(pair.rpartition(":")[0])
        except BadDomain as error:
            raise click.BadParameter(f"--allow-private-addresses: the host of {pair} {error}") from None
    return pairs
