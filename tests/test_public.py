"""What a Python user meets: the names of both packages, with their types, and a path as text wherever one is taken."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from checkpoint_files import run_python
from results import FACTS

import convert
import verify

if TYPE_CHECKING:
    from typing_extensions import assert_type

PACKAGES = {"convert": convert, "verify": verify}
HOMES: dict[str, str] = {
    f"{name}.{public}": home for name, package in PACKAGES.items() for public, home in vars(package)["_PUBLIC"].items()
}

every_package = pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)


@pytest.mark.parametrize("public", HOMES)
def test_a_public_name_is_what_its_module_has(public: str) -> None:
    package, _, name = public.partition(".")

    assert getattr(PACKAGES[package], name) is getattr(importlib.import_module(HOMES[public]), name)


@every_package
def test_type_checkers_see_the_same_names_from_the_same_modules(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]

    seen = {alias.asname: node.module for node in imports for alias in node.names if alias.name == alias.asname}
    assert seen == vars(package)["_PUBLIC"]


@every_package
def test_completion_offers_every_public_name(package: ModuleType) -> None:
    assert set(package.__all__) <= set(dir(package))


@every_package
def test_a_star_import_brings_the_public_names(package: ModuleType) -> None:
    child = run_python(f"from {package.__name__} import *\nprint(*sorted(n for n in dir() if n[:2] != '__'))")

    assert child.stdout.split() == sorted(package.__all__)


@every_package
def test_no_public_name_is_a_module_s_which_would_take_its_place(package: ModuleType) -> None:
    assert {module.name for module in pkgutil.iter_modules(package.__path__)} & set(package.__all__) == set()


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = verify.no_such_name  # type: ignore[attr-defined]  # a type checker sees it too

    assert str(caught.value) == "module 'verify' has no attribute 'no_such_name'"


def test_verify_is_the_function_and_its_modules_are_imported_beside_it() -> None:
    child = run_python(
        "import verify, verify.run, verify.report.text\n"
        "from verify import verify as function, sample\n"
        "print(function is verify.run.verify is verify.verify, verify.report.text.__name__, sample.__name__)"
    )

    assert child.stdout.split() == ["True", "verify.report.text", "verify.sample"]


def test_a_function_called_as_its_module_hides_nothing_else_of_it() -> None:
    child = run_python(
        "import pathlib, convert.source.locate\n"
        "from convert.source.locate import Located, locate\n"
        "print(locate('x.pth') == Located(pathlib.Path('x.pth')))"
    )

    assert child.stdout.split() == ["True"]


if TYPE_CHECKING:

    def check_types(options: verify.Options) -> None:
        """Read by mypy alone: a public name has its own type, and a path is taken as text and given as `Path`."""
        assert_type(convert.Job.read("", "x.pth"), convert.Job)
        assert_type(convert.read_checkpoint("x.pth"), convert.Checkpoint)
        assert_type(verify.verify(options), verify.Result)
        assert_type(verify.merge_runs(["run.sqlite"]), verify.Result)
        assert_type(verify.Options(src="x.pth", dst=Path("x.pdparams")).src, Path)
        assert_type(options.data, Path | None)
        verify.Options(src=1, dst="x.pdparams")  # type: ignore[arg-type]  # a path is no number


class Named:
    """A path that is neither text nor `Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("form", [str, Path, Named])
def test_a_checkpoint_is_read_and_written_by_a_path_of_any_form(form: type, tmp_path: Path) -> None:
    tensors = {"w": np.ones(3, "float32")}
    written = convert.write_pdparams(form(tmp_path / "x.pdparams"), tensors)
    other = convert.write_checkpoint(form(tmp_path / "x.safetensors"), tensors, framework="paddle")

    checkpoint = convert.read_checkpoint(form(tmp_path / "x.pdparams"))

    assert checkpoint.path == written.path == tmp_path / "x.pdparams"
    assert other.path == tmp_path / "x.safetensors"
    assert checkpoint.tensors["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("form", [str, Path, Named])
def test_a_job_takes_a_path_of_any_form(form: type, tmp_path: Path) -> None:
    from verify.sample import CHECKPOINT

    job = convert.Job.read("", form(CHECKPOINT))
    written = job.write(form(tmp_path / "x.pdparams"))

    assert (job.source.path, written.path) == (CHECKPOINT, tmp_path / "x.pdparams")


@pytest.mark.parametrize("form", [str, Path, Named])
def test_the_options_of_verify_take_paths_of_any_form_and_have_paths(form: type) -> None:
    given = dict.fromkeys(("src", "dst", "data", "class_map", "report"), form(Path("a/b")))

    options = verify.Options(**given, choice=verify.Choice(devkit=form(Path("a/b"))))

    assert {name: getattr(options, name) for name in given} == dict.fromkeys(given, Path("a/b"))
    assert options.choice.devkit == Path("a/b")


def test_paths_that_are_not_given_are_none() -> None:
    options = verify.Options(src="x.pth", dst="x.pdparams")

    assert (options.data, options.class_map, options.report, options.choice.devkit) == (None, None, None, None)


def test_options_without_the_two_files_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing 2 required keyword-only arguments: 'src' and 'dst'"):
        verify.Options()


@pytest.mark.parametrize("form", [str, Path, Named])
def test_reports_are_written_into_a_folder_of_any_form(form: type, tmp_path: Path) -> None:
    result = verify.Result(FACTS, ())

    verify.write_reports(result, form(tmp_path))

    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json", "report.md", "junit.xml"}


@pytest.mark.parametrize("form", [str, Path, Named])
def test_runs_are_merged_by_paths_of_any_form(form: type, tmp_path: Path) -> None:
    with pytest.raises(convert.FerryError, match=f"^{re.escape(str(tmp_path / 'run.sqlite'))}: no such file"):
        verify.merge_runs([form(tmp_path / "run.sqlite")])
