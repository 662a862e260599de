"""Who may load whom, each asked of a fresh process."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import pytest
from checkpoint_files import run_python

import convert

FRAMEWORKS = {"torch", "paddle", "models_torch", "models_paddle"}
OURS = {"convert", "verify", "scripts", "tests", *FRAMEWORKS}
CONVERT = [module.name for module in pkgutil.walk_packages(convert.__path__, "convert.")]

# What loading each may load of our packages, the frameworks and numpy. No more, and no less.
LOADS = {
    "convert": {"convert"},
    "convert.cli": {"convert"},
    "verify": {"verify"},
    "models_torch": {"convert", "models_torch", "torch", "numpy"},
    "models_paddle": {"convert", "models_paddle", "paddle", "numpy"},
}
NO_FRAMEWORK = [*CONVERT, "verify", "verify.recipes.protocol", "verify.images.preprocess", "verify.sample"]

PROBE = """
import importlib, sys
for name in sys.argv[1].split():
    importlib.import_module(name)
print(*sorted(set(sys.argv[2].split()) & set(sys.modules)))
"""


def loaded_by(modules: str, watched: set[str]) -> set[str]:
    child = run_python(PROBE, modules, " ".join(sorted(watched)))
    assert child.returncode == 0, child.stderr
    return set(child.stdout.split("\n")[-2].split())


@pytest.mark.parametrize("module", LOADS)
def test_the_packages_loaded_are_those_and_no_others_by(module: str) -> None:
    assert loaded_by(module, OURS | {"numpy"}) == LOADS[module]


def test_no_module_of_convert_loads_a_framework_or_another_package() -> None:
    assert loaded_by(" ".join(CONVERT), OURS | {"numpy"}) == {"convert", "numpy"}


def test_all_modules_of_convert_are_asked() -> None:
    files = Path(convert.__path__[0]).rglob("*.py")

    assert {"convert.cli", "convert.job", "convert.archs.convnext", "convert.checkpoints.torch_zip"} <= set(CONVERT)
    assert len(CONVERT) + 1 == sum(1 for _ in files)


@pytest.mark.parametrize("module", ["verify", "verify.recipes.protocol", "verify.images.preprocess", "verify.sample"])
def test_verify_keeps_the_frameworks_to_its_workers(module: str) -> None:
    assert loaded_by(module, FRAMEWORKS) == set()


def test_reading_a_checkpoint_loads_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, convert, numpy\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "convert.write_pdparams(path, {'w': numpy.ones(3, 'float32')})\n"
        "convert.read_checkpoint(path)\n"
        "print(*{'torch', 'paddle'} & set(sys.modules))"
    )

    child = run_python(code, tmp_path / "x.pdparams")

    assert (child.stdout, child.stderr) == ("\n", "")


def test_the_help_of_convert_does_not_wait_for_numpy() -> None:
    code = (
        "import sys, convert.cli\n"
        "try:\n    convert.cli.main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, 'numpy' in sys.modules)"
    )

    assert run_python(code).stdout.split("\n")[-2] == "0 False"


@pytest.mark.parametrize("module", ["numpy", "convert.params", "convert.job"])
def test_the_probe_sees_what_is_loaded(module: str) -> None:
    assert module in loaded_by(module, {"numpy", "convert.params", "convert.job", "torch"})


def test_the_probe_reports_a_module_that_does_not_exist() -> None:
    with pytest.raises(AssertionError, match="ModuleNotFoundError"):
        loaded_by("convert.no_such_module", OURS)


@pytest.mark.parametrize("name", convert.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(convert, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = convert.no_such_name  # type: ignore[attr-defined]  # a type checker sees it too

    assert str(caught.value) == "module 'convert' has no attribute 'no_such_name'"


def test_this_process_has_loaded_torch_before_paddle() -> None:
    names = list(sys.modules)

    assert "paddle" not in names or names.index("torch") < names.index("paddle")


def test_every_package_is_installed() -> None:
    root = Path(convert.__path__[0]).parent
    listed = (root / "pyproject.toml").read_text(encoding="utf-8").split("\npackages = [\n")[1].split("]")[0]

    names = [line.strip(' ",') for line in listed.splitlines()]
    folders = [path.parent.relative_to(root) for path in root.glob("[!.]*/**/__init__.py")]
    assert sorted(names) == sorted(".".join(folder.parts) for folder in folders)
