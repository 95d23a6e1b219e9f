"""`minutehand units`: what it prints is what other programs take."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from minutehand.scheduler import units as module
from minutehand.scheduler.process.liveness import SLACK_SECONDS
from minutehand.scheduler.process.sd_notify import ServiceManager
from minutehand.scheduler.process.shutdown import FINAL_SETTLE_SECONDS
from minutehand.scheduler.process.supervisor import EXIT_SECONDS
from minutehand.scheduler.units import KINDS, hidden_part, program_path, units
from minutehand.store.drivers.postgres import CALL_SECONDS
from minutehand.store.errors import BadConfiguration
from tests.docs.pages import ROOT, is_a_command
from tests.servers import require

PROGRAM = "/opt/minutehand/bin/minutehand"


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=True, interpolation=None)
    read.optionxform = str  # type: ignore[assignment]
    read.read_string(units("systemd", PROGRAM)[name])
    return read


def test_systemd_takes_its_units_with_this_program(call, tmp_path):
    require(shutil.which("systemd-analyze"), "systemd-analyze")
    said = call("units", "systemd", "--write", str(tmp_path))
    paths = [tmp_path / name for name in KINDS["systemd"]]
    assert (said.code, said.out.split()) == (0, [str(path) for path in paths])
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "minutehand" not in checked.stderr


@pytest.mark.parametrize(
    ("name", "command"), [("minutehand.service", "run-once"), ("minutehand-worker.service", "worker")]
)
def test_a_service_runs_a_command_that_exists_and_is_stopped_after_the_grace(name, command):
    service = unit(name)["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert (program, arguments[0], is_a_command(arguments)) == (PROGRAM, command, True)
    assert int(service["TimeoutStopSec"]) > 20 + FINAL_SETTLE_SECONDS + EXIT_SECONDS
    assert service["RestartPreventExitStatus"] == "78" if command == "worker" else service["Type"] == "oneshot"


def test_both_services_are_hardened_alike():
    own = {"Type", "ExecStart", "Restart", "RestartSec", "RestartPreventExitStatus", "NotifyAccess", "WatchdogSec"}
    once, worker = (set(unit(name)["Service"].items()) for name in ("minutehand.service", "minutehand-worker.service"))
    assert {name for name, _ in once ^ worker} <= own
    assert {("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("DynamicUser", "yes")} <= once & worker


def test_the_crontab_is_the_example_with_this_program(call):
    said = call("units", "cron")
    example = (ROOT / "crontab.example").read_text()
    assert (said.code, said.out) == (0, example.replace(PROGRAM, program_path()))
    assert units("cron", PROGRAM)["crontab"] == example
    assert PROGRAM in example


def test_the_watchdog_of_the_worker_outwaits_a_call_that_hangs():
    service = unit("minutehand-worker.service")["Service"]
    # It is stuck after its slack; a call that hangs is given up, at the latest, when it was cancelled in vain.
    longest_silence = CALL_SECONDS + 10 - SLACK_SECONDS + ServiceManager.report_seconds
    assert (service["Type"], int(service["WatchdogSec"]) > longest_silence) == ("notify", True)


def test_the_workflow_of_github_runs_a_command_one_at_a_time_and_holds_no_secret(call):
    flow = yaml.safe_load(call("units", "actions").out)
    (job,) = flow["jobs"].values()
    (command,) = [line for step in job["steps"] if (line := step.get("run", "")).startswith("minutehand ")]
    assert is_a_command(shlex.split(command)[1:])
    (minutes,) = map(int, re.findall(r"--max-time (\d+)m", command))
    triggers = flow[True]  # YAML 1.1's word for `on`
    assert triggers["schedule"] == [{"cron": "*/5 * * * *"}]
    assert minutes < 5 < job["timeout-minutes"]
    assert flow["concurrency"] == {"group": "minutehand", "cancel-in-progress": False}
    assert flow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    (environment,) = [step["env"] for step in job["steps"] if "env" in step]
    assert all(
        value in (f"${{{{ secrets.{name} }}}}", f"${{{{ vars.{name} }}}}") for name, value in environment.items()
    )


def test_each_line_of_the_procfile_is_a_command(call):
    lines = [re.fullmatch(r"([a-z]+): minutehand (.+)", line) for line in call("units", "procfile").out.splitlines()]
    assert [line[1] for line in lines if line] == ["release", "worker", "web"]
    for line in lines:
        assert line is not None
        assert is_a_command(shlex.split(line[2].replace("$PORT", "8000")))


def test_the_dockerfile_copies_what_there_is_and_runs_a_command(call):
    said = call("units", "docker").out
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", said, flags=re.MULTILINE) for name in line.split()}
    assert {"pyproject.toml", "minutehand", "store", "executor", "dashboard", "scheduler", "sql"} < copied
    assert all((ROOT / name).exists() for name in copied)
    entry, command = (json.loads(words) for words in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", said, flags=re.MULTILINE))
    assert (entry, is_a_command(command)) == (["minutehand"], True)
    assert is_a_command(["migrate"])
    assert said.index("\nUSER minutehand") < said.index("\nENTRYPOINT")


def test_several_files_are_printed_with_their_names_and_one_as_it_is(call):
    said = call("units", "systemd").out
    assert re.findall(r"^# (minutehand\S*)$", said, flags=re.MULTILINE) == list(KINDS["systemd"])
    assert all(text in said for text in units("systemd", program_path()).values())
    assert call("units", "docker").out == units("docker", "minutehand")["Dockerfile"]
    assert not re.search("@[A-Z]", said)


def test_a_file_that_somebody_changed_is_left_and_nothing_is_written(call, tmp_path):
    changed = tmp_path / "minutehand.timer"
    changed.write_text("mine")
    said = call("units", "systemd", "--write", str(tmp_path))
    assert (said.code, said.out, str(changed) in said.err) == (2, "", True)
    assert [path.name for path in tmp_path.iterdir()] == [changed.name]
    changed.unlink()
    assert [call("units", "systemd", "--write", str(tmp_path)).code for _ in range(2)] == [0, 0]
    assert call("units", "systemd", "--write", str(tmp_path / "none")).code == 2


def test_the_program_is_found_beside_its_python_or_on_the_path(monkeypatch, tmp_path):
    assert program_path() == str(Path(sys.executable).parent / "minutehand")
    program = tmp_path / "bin" / "minutehand"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(BadConfiguration, match="not installed"):
        program_path()
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert program_path() == str(program)
    odd = program.parent.rename(tmp_path / "100 %")
    monkeypatch.setenv("PATH", str(odd))
    with pytest.raises(BadConfiguration, match="plain characters"):
        program_path()


def test_a_program_in_a_home_folder_is_reported(monkeypatch, tmp_path, call):
    monkeypatch.setattr(module, "_HOMES", ())
    assert hidden_part(PROGRAM) is None
    assert "cannot read" not in call("units", "systemd").err
    monkeypatch.setattr(module, "_HOMES", (str(tmp_path),))
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path / "minutehand")
    assert [hidden_part(str(path)) for path in (link, tmp_path / "x", tmp_path.parent / "x")] == [
        str(tmp_path / "minutehand"), str(tmp_path / "x"), None,
    ]  # fmt: skip
    here = str(Path(sys.executable).parent)
    monkeypatch.setattr(module, "_HOMES", (here,))
    assert call("units", "systemd").err.startswith(f"minutehand: a service cannot read {here}/")
    assert call("units", "cron").err == ""
