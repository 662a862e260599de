"""Results can be piped: a reader that leaves early is no error, a full disk is one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convert.console import json_text, print_message, print_result

COMMANDS = [[sys.executable, "-m", "convert", "--list"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[1:]))
def test_a_reader_that_has_gone_is_no_error(command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[1:]))
def test_a_full_disk_behind_standard_output_is_one(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, text=True)

    assert done.returncode == 1
    assert done.stderr == "convert: standard output: cannot be written: No space left on device\n"


COMMANDS_TO_A_RUNNER = {
    "::error::forged": ":\\:error::forged",
    "  ::add-mask::forged": "  :\\:add-mask::forged",
    "x ##[command]forged": "x ##\\[command]forged",
    "##vso[task.complete]forged": "##\\vso[task.complete]forged",
    "##teamcity[buildStop]": "##\\teamcity[buildStop]",
    "a::b ## c [d]": "a::b ## c [d]",
}


@pytest.mark.parametrize("text", COMMANDS_TO_A_RUNNER)
def test_no_line_is_a_command_to_a_workflow_s_runner(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_result(f"first\n{text}")
    print_message(text)

    assert capsys.readouterr() == (f"first\n{COMMANDS_TO_A_RUNNER[text]}\n", f"{COMMANDS_TO_A_RUNNER[text]}\n")


def test_json_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"::error::##[x]": ["##vso[x]", float("nan"), "\x1b\u202e\x7f"]}

    print_result(json_text(document))

    out = capsys.readouterr().out
    assert json.loads(out) == {"::error::##[x]": ["##vso[x]", None, "\x1b\u202e\x7f"]}
    assert "##" not in out
    assert out.replace("\n", "").isprintable()
