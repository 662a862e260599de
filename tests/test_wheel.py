"""What is installed: every file that a package reads at run time, and the marks by which others judge it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib  # the same parser; pip is in every environment that scripts/ makes

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["setuptools"]["packages"]
DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
METADATA: dict[str, Any] = PROJECT["project"]
TYPED = ("convert", "models_paddle", "models_torch", "verify")


def installed(package: str, patterns: Mapping[str, Sequence[str]]) -> set[Path]:
    """The data files of a package that those patterns take along, as setuptools matches them."""
    folder = ROOT / package.replace(".", "/")
    return {path for pattern in patterns.get(package, ()) for path in folder.glob(pattern)}


def data_files(package: str) -> set[Path]:
    """Every file of a package but its modules, manual and picture, without those of the packages in it."""
    folder = ROOT / package.replace(".", "/")
    inner = [ROOT / other.replace(".", "/") for other in PACKAGES if other.startswith(f"{package}.")]
    return {
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".pyc", ".md")
        and path.name != "report.png"
        and not any(path.is_relative_to(other) for other in inner)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_data_file_is_installed_with(package: str) -> None:
    assert data_files(package) == installed(package, DATA)


@pytest.mark.parametrize("package", TYPED)
def test_type_checkers_are_told_to_look_into(package: str) -> None:
    assert ROOT / package / "py.typed" in installed(package, DATA)


def test_each_package_at_the_top_is_typed() -> None:
    assert sorted(package for package in PACKAGES if "." not in package) == sorted(TYPED)


def test_a_data_file_that_no_pattern_takes_along_is_seen() -> None:
    fewer = {**DATA, "verify.report": ["templates/*"]}

    missing = data_files("verify.report") - installed("verify.report", fewer)
    assert missing == {ROOT / "verify/report/report.schema.json"}


def test_the_python_versions_begin_with_the_oldest_that_may_install_it() -> None:
    versions = [re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", line) for line in METADATA["classifiers"]]

    minors = [int(match[1]) for match in versions if match]
    assert METADATA["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_the_addresses_are_those_of_one_repository() -> None:
    urls = METADATA["urls"]

    assert list(urls) == ["Homepage", "Source", "Issues", "Changelog"]
    assert all(url == urls["Source"] or url.startswith(f"{urls['Source']}/") for url in urls.values())
    assert (ROOT / urls["Changelog"].rpartition("/")[2]).is_file()
