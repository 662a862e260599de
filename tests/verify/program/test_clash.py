"""Another distribution's `verify` or `convert` in the place of ours is named, with what mends it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from convert import ownership

ROOT = Path(__file__).parents[3]
PIP = f"{sys.executable} -m pip"
WAYS = {
    "verify": ["-c", "import sys, verify.program.commands as p; sys.exit(p.verify())"],
    "python -m verify": ["-m", "verify"],
    "paddleferry": ["-c", "import sys, verify.program.commands as p; sys.exit(p.main())"],
    "convert": ["-c", "import sys, convert.cli as c; sys.exit(c.main())"],
    "python -m convert": ["-m", "convert"],
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with our packages and their record, as an installation has them."""
    folder = tmp_path / "site-packages"
    for package in ("convert", "verify"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    for framework in ("torch", "paddle"):
        (folder / f"{framework}.py").write_text("raise ImportError")  # which `env` need not wait for
    record(folder, "paddleferry", "0.1.0", "convert/__init__.py", "verify/__init__.py")
    return folder


def record(folder: Path, name: str, version: str, *files: str) -> Path:
    """What pip writes of a distribution that it installed."""
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (information / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return information


def plant(folder: Path, package: str, *, recorded: bool = True) -> None:
    """Installs a foreign distribution over one of our packages."""
    (folder / package / "__init__.py").write_text("from .base import __version__\n")
    (folder / package / "base.py").write_text("__version__ = '1.1.1'\n")
    if recorded:
        record(folder, package, "1.1.1", f"{package}/__init__.py", f"{package}/base.py")


def run(way: str, folder: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *WAYS[way], *words]
    return subprocess.run(command, env=environment, cwd=cwd or folder.parent, capture_output=True, text=True)


def complaint(prog: str, cause: str, *commands: str) -> str:
    order = ", in this order" if len(commands) > 1 else ""
    lines = [f"{prog}: the package {cause}", f"to bring paddleferry's back{order}:", *(f"  {c}" for c in commands)]
    return "".join(f"{line}\n" for line in lines)


TAKEN = (
    "{0} is not paddleferry's any more: {0} 1.1.1 has put its own in that place, and one environment cannot hold both"
)
GONE = (
    "verify is not paddleferry's any more: its __init__.py is gone, or another's that pip has no record of stands there"
)
REINSTALL = f"{PIP} install --force-reinstall --no-deps paddleferry==0.1.0"


@pytest.mark.parametrize("way", WAYS)
def test_our_own_are_taken_without_a_word(way: str, installed: Path) -> None:
    child = run(way, installed, "--version")

    assert (child.returncode, child.stdout, child.stderr) == (0, "paddleferry 0.1.0\n", "")


@pytest.mark.parametrize(
    ("way", "package"),
    [(way, "verify") for way in WAYS if "convert" not in way] + [(way, "convert") for way in WAYS],
)
def test_a_foreign_package_is_named_with_what_mends_it(way: str, package: str, installed: Path) -> None:
    plant(installed, package)

    child = run(way, installed, "--version")

    expected = complaint(way.split()[-1], TAKEN.format(package), f"{PIP} uninstall --yes {package}", REINSTALL)
    assert (child.returncode, child.stdout, child.stderr) == (1, "", expected)


def test_convert_does_not_mind_a_foreign_verify(installed: Path) -> None:
    plant(installed, "verify")

    assert run("convert", installed, "--version").returncode == 0


def test_a_package_on_no_record_is_reinstalled_over(installed: Path) -> None:
    plant(installed, "verify", recorded=False)

    assert run("verify", installed, "--sample").stderr == complaint("verify", GONE, REINSTALL)


def test_an_uninstalled_namesake_that_took_ours_along_is_told(installed: Path) -> None:
    (installed / "verify/__init__.py").unlink()

    assert run("verify", installed, "--sample").stderr == complaint("verify", GONE, REINSTALL)


ORIGINS = [
    ({"url": "file:///wheels/paddleferry-0.1.0-py3-none-any.whl", "archive_info": {}}, "{url}"),
    ({"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}, "git+https://host/x.git@0a1b"),
    ({"url": "file:///a checkout", "dir_info": {}}, '"file:///a checkout"'),
]


@pytest.mark.parametrize(("origin", "requirement"), ORIGINS)
def test_it_is_reinstalled_from_where_it_came(origin: dict[str, str], requirement: str, installed: Path) -> None:
    plant(installed, "verify")
    (installed / "paddleferry-0.1.0.dist-info/direct_url.json").write_text(json.dumps(origin))

    last = run("verify", installed, "--version").stderr.splitlines()[-1]

    assert last == f"  {PIP} install --force-reinstall --no-deps {requirement.format(**origin)}"


def owners(child: subprocess.CompletedProcess[str]) -> Sequence[str]:
    return [" ".join(line.split()) for line in child.stdout.split("\nowners\n")[1].splitlines()]


def test_env_tells_the_owners_all_the_same_and_fails(installed: Path) -> None:
    plant(installed, "verify")

    child = run("paddleferry", installed, "env")

    assert child.returncode == 1
    assert owners(child) == ["convert paddleferry", "verify not paddleferry: verify 1.1.1"]
    assert child.stderr.startswith("paddleferry: the package verify is not paddleferry's any more")


def test_env_tells_of_a_namesake_that_ours_was_installed_over(installed: Path) -> None:
    record(installed, "verify", "1.1.1", "verify/__init__.py")

    child = run("paddleferry", installed, "env")

    assert (child.returncode, child.stderr) == (0, "")
    assert owners(child) == ["convert paddleferry", "verify paddleferry; verify 1.1.1 has it too"]
    assert "  from              installed\n" in child.stdout


def test_a_namesake_elsewhere_is_no_claimant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, "verify", "1.1.1", "verify/__init__.py")
    monkeypatch.syspath_prepend(tmp_path)

    assert ownership.find_claimants("verify") == {}


def test_a_user_s_own_convert_is_named_and_not_run(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "convert.py"
    own.write_text("print('run')")

    child = run("python -m verify", installed, "--version", cwd=tmp_path)

    assert (child.returncode, child.stdout) == (1, "")
    assert child.stderr == (
        f"verify: {own} hides the package `convert` that this needs; start from another folder, or rename it\n"
    )
