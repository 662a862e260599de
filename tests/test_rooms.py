"""Who may import whom: the rooms from the ground up. No import runs upwards or sideways, and none in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from convert.checkpoints.containers import CONTAINERS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("convert", "models_torch", "models_paddle", "verify")
HALL = 12  # files directly in verify/

# A room imports rooms of the rows before its own, and itself. A name stands for the module, or for the package and
# whatever lies below it.
ROWS: tuple[tuple[str, ...], ...] = (
    ("convert.visible",),
    (
        "convert.version",
        "convert.frameworks",
        "convert.errors",
        "convert.arrays",
        "convert.cores",
        "convert.ownership",
    ),
    ("convert.paths", "convert.targets"),
    (
        "convert.console",
        "convert.usage",
        "convert.checksum",
        "convert.endings",
        "convert.regular",
        "convert.params",
    ),
    ("convert.files",),
    ("convert.buffers", "convert.storage"),
    ("convert.stored",),
    ("convert.archs", "convert.digest", "convert.casting"),
    ("convert.key_formats",),
    ("convert.checkpoints", "convert.tables"),
    ("convert.fresh_head", "convert.conversion", "convert.state_dict", "convert.one_pass"),
    ("convert.source",),
    ("convert.merging", "convert.steps"),
    ("convert.job", "convert.inspect"),
    ("convert.summary",),
    ("convert.cli",),
    ("convert.__main__", "convert"),
    ("verify.gate", "verify.limits"),
    ("verify.recipes", "verify.datasets", "verify.reference", "models_torch", "models_paddle"),
    ("verify.images", "verify.store", "verify.sample"),
    ("verify.workers",),
    ("verify.pair", "verify.accuracy", "verify.layers"),
    ("verify.gates", "verify.why"),
    ("verify.pairing",),
    ("verify.selftest", "verify.options", "verify.result", "verify.usage"),
    ("verify.report", "verify.inputs"),
    ("verify.facts",),
    ("verify.run",),
    ("verify.cli",),
    ("verify.program",),
    ("verify.__main__", "verify"),
)
PLACES = {name: place for place, row in enumerate(ROWS) for name in row}

# A framework is loaded only in its worker's process: these modules alone import the models.
MODELS = {
    "models_torch": {"verify.workers.torch_backend"},
    "models_paddle": {"verify.workers.paddle_backend", "verify.selftest.paddle_models"},
}

Imports = Mapping[str, frozenset[str]]


def room_of(module: str) -> str:
    """The longest name of the table that the module lies in."""
    while module not in PLACES:
        module, _, last = module.rpartition(".")
        assert module, f"{last} has no room"
    return module


def read_imports(root: Path) -> dict[str, frozenset[str]]:
    """Every module of the packages under that folder to those of them that it imports, wherever in its text."""
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
    }
    return {module: frozenset(imported_by(path, files)) - {module} for module, path in files.items()}


def imported_by(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and (package := node.module or "") in modules:
            names = (f"{package}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else package for name in names)


def breaches(imports: Imports) -> list[str]:
    """Imports of a room in the same row or in a later one, and of the models outside their workers."""
    lines = []
    for module, others in sorted(imports.items()):
        for other in sorted(others):
            mine, theirs = room_of(module), room_of(other)
            if mine != theirs and PLACES[theirs] >= PLACES[mine]:
                lines.append(f"{module} imports {other}")
            elif theirs in MODELS and mine != theirs and module not in MODELS[theirs]:
                lines.append(f"{module} imports {other} outside its worker")
    return lines


def circles(imports: Imports) -> list[str]:
    """The modules from which imports lead back to themselves."""
    reached: dict[str, frozenset[str]] = dict(imports)
    while True:
        wider = {module: others.union(*(reached[other] for other in others)) for module, others in reached.items()}
        if wider == reached:
            return sorted(module for module, others in reached.items() if module in others)
        reached = wider


@pytest.fixture(scope="module")
def imports() -> Imports:
    return read_imports(ROOT)


def test_no_room_imports_one_above_it_or_beside_it(imports: Imports) -> None:
    assert breaches(imports) == []


def test_no_import_leads_back_to_where_it_began(imports: Imports) -> None:
    assert circles(imports) == []


def test_no_container_s_file_leads_back_to_the_row_that_names_it(imports: Imports) -> None:
    named = {place.partition(":")[0] for row in CONTAINERS for place in (row.reader, row.writer) if place}
    rows = "convert.checkpoints.containers"

    assert named <= set(imports)
    assert circles({**imports, rows: imports[rows] | named}) == []


def test_every_room_of_the_table_is_there_and_every_folder_is_in_the_table(imports: Imports) -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("convert", "verify")
        for path in (ROOT / package).glob("*/__init__.py")
    }

    assert set(PLACES) - set(imports) == set()
    assert folders - set(PLACES) == set()


def test_the_hall_of_verify_stays_small() -> None:
    assert sum(1 for _ in (ROOT / "verify").glob("*.py")) <= HALL


PLANTED = {
    "upwards": ("verify/gate.py", "from verify.run import verify", ["verify.gate imports verify.run"]),
    "upwards, late in a function": (
        "convert/params.py",
        "def late() -> None:\n    from convert.job import Job",
        ["convert.params imports convert.job"],
    ),
    "sideways": (
        "verify/store/resume.py",
        "import verify.images.decode",
        ["verify.store.resume imports verify.images.decode"],
    ),
    "from convert to verify": (
        "convert/cli.py",
        "from verify import gate",
        ["convert.cli imports verify.gate"],
    ),
    "a model in the parent": (
        "verify/gates/parity.py",
        "from models_torch import build",
        ["verify.gates.parity imports models_torch outside its worker"],
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_an_import_is_seen_that_runs(kind: str, imports: Imports, tmp_path: Path) -> None:
    name, line, expected = PLANTED[kind]
    module = name.removesuffix(".py").replace("/", ".")
    planted = tmp_path / "planted.py"
    planted.write_text(f"{(ROOT / name).read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    changed = {**imports, module: frozenset(imported_by(planted, dict.fromkeys(imports, ROOT))) - {module}}

    assert breaches(changed) == expected


def test_a_circle_within_a_room_is_seen(imports: Imports) -> None:
    changed = {**imports, "convert.checkpoints.views": frozenset({"convert.checkpoints.numpy_pickles"})}

    assert circles(changed) == ["convert.checkpoints.numpy_pickles", "convert.checkpoints.views"]
