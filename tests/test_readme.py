"""The README states facts that the code states too; here they are compared."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from convert.archs import ARCHS
from convert.params import parameter_count

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_architecture_table_is_the_code_s() -> None:
    rows = re.findall(
        r"^\| (convnext\w+) \| ([\d, ]+) \| ([\d, ]+) \| ([\d,]+) \|(?: [^|]+)? \|$", README, re.MULTILINE
    )

    expected = [
        (spec.name, *map(listed, zip(*spec.stages, strict=True)), f"{parameter_count(spec.params()):,}")
        for spec in ARCHS.values()
    ]
    assert rows == expected


def listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def test_the_readme_names_every_key_format_and_dtype() -> None:
    from convert.cli import DTYPES, KEY_FORMATS

    section = README[README.index("## convert\n") : README.index("## verify\n")]
    assert all(name in section for name in (*DTYPES, *KEY_FORMATS))


def test_the_readme_names_every_option_of_convert() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "convert", "--help"], capture_output=True, text=True, check=True
    ).stdout

    section = README[README.index("## convert\n") : README.index("## verify\n")]
    assert set(re.findall(r"--[\w-]+", text)) - {"--help", "--version"} <= set(re.findall(r"--[\w-]+", section))


def test_the_readme_opens_with_three_lines_a_run_and_the_two_commands() -> None:
    lines = README.splitlines()

    assert lines[0] == "# paddleferry"
    assert all(lines[2:5])
    assert lines[5:7] == ["", "```"]
    assert "VERIFIED: 5 passed" in README[: README.index("## Two commands")]
    assert README.index("scripts/demo.py") < README.index("scripts/check.py") < README.index("## Installing")


def test_ci_runs_exactly_the_readme_s_two_commands() -> None:
    commands = re.findall(r"^python3 scripts/\w+\.py", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    assert commands == ["python3 scripts/check.py", "python3 scripts/demo.py"]
    assert sorted(commands) == sorted(re.findall(r"^python3 scripts/\w+\.py", README, re.MULTILINE))


@pytest.mark.parametrize("command", ["convert", "verify"])
def test_every_option_that_the_readme_names_is_in_the_help(command: str) -> None:
    text = subprocess.run([sys.executable, "-m", command, "--help"], capture_output=True, text=True, check=True).stdout
    named = {option for line in README.splitlines() if line.startswith(f"{command} ") for option in line.split()}

    options = {option for option in named if option.startswith("--")}
    assert options
    assert options <= set(re.findall(r"--[\w-]+", text))


def test_the_python_example_converts_a_checkpoint(tmp_path: Path) -> None:
    sample = ROOT / "verify/sample/convnext_digits.pth"
    (tmp_path / "x.pth").write_bytes(sample.read_bytes())
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block
    example = block[1].replace("convnext_tiny", "convnext_digits")

    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)

    assert (tmp_path / "x.pdparams").stat().st_size > 1_800_000


def test_the_changelog_has_the_version() -> None:
    from convert.version import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_names_every_layout_and_option_of_data() -> None:
    from verify.datasets.layouts.names import LAYOUTS

    section = README[README.index("### The validation set\n") : README.index("## From Python\n")]
    assert all(f"`{name}`" in section for name in LAYOUTS)
    assert all(option in section for option in ("--layout", "--devkit", "--classes", "--unlabelled"))
