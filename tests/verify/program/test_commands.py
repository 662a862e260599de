"""The `paddleferry` command: its subcommands, what it tells of an environment, and completion."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_files import run_python
from pairs import write_pair

import convert.cli
import verify.cli
from convert.archs import get_spec
from convert.version import __version__
from verify.program import completion, env
from verify.program.commands import COMMANDS, main

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
DIGITS = get_spec("convnext_digits")
HEAVY = {"numpy", "torch", "paddle", "PIL", "tqdm", "shtab", "importlib.metadata"}

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def without_frameworks(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which neither framework takes time to load: both fail."""
    return planted_frameworks(tmp_path, "raise ImportError('planted')")


def planted_frameworks(folder: Path, body: str) -> dict[str, str]:
    """The environment of a process in which both frameworks are that program."""
    for name in ("torch", "paddle"):
        (folder / f"{name}.py").write_text(body, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def outcome(capsys: Captured, run: Callable[..., int], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    try:
        status = run(list(arguments))
    except SystemExit as end:
        status = int(end.code or 0)
    return (status, *capsys.readouterr())


def test_the_help_has_every_command_and_examples(capsys: Captured) -> None:
    status, out, _ = outcome(capsys, main, "--help")

    assert status == 0
    assert out.startswith("usage: paddleferry [-h] [--version] COMMAND ...\n")
    assert all(command.help in out and f"  paddleferry {command.name} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_a_command_s_help_calls_it_as_the_user_did(command: str, capsys: Captured) -> None:
    status, out, _ = outcome(capsys, main, command, "--help")

    assert status == 0
    assert out.startswith(f"usage: paddleferry {command} ")
    assert not [line for line in out.splitlines() if line.startswith((f"  {command} -", "  %"))]


@pytest.mark.parametrize("words", [["--help"], ["convert", "--help"], ["--version"]], ids=" ".join)
def test_a_help_waits_for_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, verify.program.commands\n"
        "try:\n    verify.program.commands.main(sys.argv[2:])\n"
        "except SystemExit as end:\n    print(end.code, *sorted(set(sys.argv[1].split()) & set(sys.modules)))"
    )

    before = run_python("import sys; print(*sys.modules)").stdout.split()
    child = run_python(code, " ".join(HEAVY - set(before)), *words)

    assert child.stdout.splitlines()[-1] == "0"


def test_the_version_is_the_package_s(capsys: Captured) -> None:
    assert outcome(capsys, main, "--version") == (0, f"paddleferry {__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["conver"], ["--no-such-option"]], ids=" ".join)
def test_a_word_that_is_no_command_is_wrong_usage(words: list[str], capsys: Captured) -> None:
    status, out, err = outcome(capsys, main, *words)

    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("paddleferry: error: ")


SAME = [
    ("convert", convert.cli.main, ["--list"]),
    ("convert", convert.cli.main, ["--version"]),
    ("convert", convert.cli.main, ["--src", "no.pth", "--dst", "x.pdparams"]),
    ("verify", verify.cli.main, ["--list-recipes"]),
    ("verify", verify.cli.main, ["--merge", "no.sqlite"]),
]


@pytest.mark.parametrize(("command", "run", "words"), SAME)
def test_a_subcommand_is_the_command(
    command: str,
    run: Callable[..., int],
    words: list[str],
    capsys: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = outcome(capsys, run, *words)

    expected = (status, out, err.replace(f"{command}: ", f"paddleferry {command}: "))
    assert outcome(capsys, main, command, *words) == expected


@pytest.mark.parametrize(("command", "needed"), [("convert", "--src is needed"), ("verify", "--src and --dst are")])
def test_wrong_usage_is_told_as_the_user_called_it(command: str, needed: str, capsys: Captured) -> None:
    status, _, err = outcome(capsys, main, command)

    assert status == 2
    assert err.splitlines()[-1].startswith(f"paddleferry {command}: error: {needed}")


def test_a_report_s_command_repeats_the_run(tmp_path: Path) -> None:
    write_pair(tmp_path, DIGITS)
    pair = ["--src", f"{tmp_path}/x.pth", "--dst", f"{tmp_path}/x.pdparams"]
    words = ["verify", "--arch", DIGITS.name, *pair, "--report", f"{tmp_path}/out"]

    assert (
        run_python("import sys, verify.program.commands; sys.exit(verify.program.commands.main())", *words).returncode
        == 0
    )
    command = json.loads((tmp_path / "out/report.json").read_text())["command"]
    assert shlex.split(command) == ["paddleferry", *words]
    assert f"- command: `{command}`" in (tmp_path / "out/report.md").read_text().splitlines()


def test_a_command_that_is_interrupted_ends_without_a_traceback(without_frameworks: dict[str, str]) -> None:
    code = (
        "import signal, sys, verify.program.commands\n"
        "def interrupt(event, arguments):\n"
        "    if event == 'subprocess.Popen':\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
        "sys.exit(verify.program.commands.main(['env']))"
    )

    child = run_python(code, **without_frameworks)

    assert (child.returncode, child.stdout, child.stderr) == (130, "", "\npaddleferry env: interrupted\n")


# env


@pytest.fixture(scope="module")
def sections() -> env.Sections:
    """As the command finds them, with two variables set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADDLEFERRY_CACHE", "a-folder")
        patch.setenv("PADDLEFERRY_MODE", "fast")
        patch.setenv("PADDLEFERRY_OTHER", f"{ROOT}/x")
        return env.describe_environment()


def test_the_environment_has_versions_machine_and_owners(sections: env.Sections) -> None:
    assert sections["paddleferry"] == {"version": __version__, "from": "checkout"}
    assert sections["system"]["python"].endswith(platform.python_version())
    assert sections["packages"]["numpy"][0].isdigit()
    assert sections["packages"]["paddlepaddle-gpu"][0].isdigit() != sections["packages"]["paddlepaddle"][0].isdigit()
    assert sections["owners"] == {"convert": "paddleferry", "verify": "paddleferry"}


def test_both_frameworks_say_what_they_see(sections: env.Sections) -> None:
    assert list(sections["cuda"]) == ["torch", "paddle"]
    assert all("; built with" in answer or "; built for CUDA" in answer for answer in sections["cuda"].values())


def test_variables_are_named_and_paths_are_not_shown(sections: env.Sections) -> None:
    expected = {"PADDLEFERRY_CACHE": "a path", "PADDLEFERRY_MODE": "fast", "PADDLEFERRY_OTHER": "a path"}
    assert sections["variables"] == expected


def test_no_path_and_no_host_is_named(sections: env.Sections) -> None:
    text = env.as_text(sections) + json.dumps(sections)

    assert not [path for path in (str(ROOT), str(Path.home()), sys.prefix) if path in text]
    assert not re.search(rf"\b{re.escape(platform.node())}\b", text)


def test_the_text_has_what_the_json_has(sections: env.Sections) -> None:
    lines = [" ".join(line.split()) for line in env.as_text(sections).splitlines()]

    assert lines == [
        line for title, rows in sections.items() for line in (title, *(f"{k} {v}" for k, v in rows.items()))
    ]
    assert env.as_text({"variables": {}, "x": {"y": "z"}}) == "variables\n  none\nx\n  y  z"


FAILING = {
    "import os; os.abort()": "crashed: Aborted",
    "raise OSError('/home/some one/env/lib/libcuda.so.1: not found')": "failed: OSError: libcuda.so.1: not found",
    "import time; time.sleep(60)": "no answer within 5 s",
    "import sys; print('?'); sys.exit(0)": "loaded, and gave no answer",
    "import sys; sys.exit(3)": "failed: exit status 3",
}


@pytest.mark.parametrize("body", FAILING)
def test_a_framework_that_fails_is_named_and_the_rest_is_told(body: str, tmp_path: Path) -> None:
    code = "import json; from verify.program import env; print(json.dumps(env.describe_environment(5)))"

    child = run_python(code, **planted_frameworks(tmp_path, body))

    told = json.loads(child.stdout)
    assert set(told["cuda"].values()) == {FAILING[body]}
    assert told["paddleferry"]["version"] == __version__


def test_the_command_prints_json_for_programs(without_frameworks: dict[str, str]) -> None:
    code = "import sys, verify.program.commands; sys.exit(verify.program.commands.main(['env', '--json']))"

    child = run_python(code, **without_frameworks)

    told = json.loads(child.stdout)
    assert (child.returncode, child.stderr) == (0, "")
    assert told["cuda"]["torch"] == "failed: ImportError: planted"
    assert list(told) == ["paddleferry", "system", "packages", "cuda", "variables", "owners"]


# completion


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_has_every_command_and_their_options(shell: str, capsys: Captured) -> None:
    status, out, err = outcome(capsys, main, "completion", shell)

    assert (status, err) == (0, "")
    assert all(command.name in out for command in COMMANDS)
    assert all(option in out for option in ("num-classes", "list-recipes", "json"))


@pytest.mark.parametrize("command", ["paddleferry", "convert", "verify"])
@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_takes_the_script(command: str, capsys: Captured) -> None:
    _, script, _ = outcome(capsys, main, "completion", "bash", "--for", command)

    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert script.endswith(f" {command}\n")


COMPLETED = {
    "paddleferry conv": "convert",
    "paddleferry convert --num": "--num-classes",
    "paddleferry convert --to timm --src wei": "weights.pth",
    "paddleferry verify --report fol": "folder",
    "paddleferry verify --merge a.sqlite wei": "weights.pth",
    "paddleferry completion z": "zsh",
}


@pytest.mark.parametrize("line", COMPLETED)
@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(line: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").touch()
    (tmp_path / "folder").mkdir()
    ask = 'COMP_WORDS=($0); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _shtab_paddleferry; echo "${COMPREPLY[*]}"'

    command = ["bash", "-c", f"{completion.completion_script('bash')}\n{ask}", line]
    child = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)

    assert child.stdout == f"{COMPLETED[line]}\n"


def test_without_shtab_the_error_says_what_to_install(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)

    error = "paddleferry completion: shtab writes these scripts and is not installed: pip install shtab\n"
    assert outcome(capsys, main, "completion", "bash") == (1, "", error)
