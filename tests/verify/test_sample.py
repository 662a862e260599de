"""The bundled sample verifies, as the README's first command has it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from verify.sample import CHECKPOINT, IMAGES

CLASSES = [str(digit) for digit in range(10)]
FILES = sorted(IMAGES.glob("*/*"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run's report, with what it printed as stdout.json."""
    folder = tmp_path_factory.mktemp("sample") / "report"
    command = [sys.executable, "-m", "verify", "--sample", "--report", str(folder), "--json"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stderr) == (0, "")
    (folder / "stdout.json").write_text(process.stdout)
    return folder


@pytest.fixture(scope="module")
def document(report: Path) -> Any:
    return json.loads((report / "stdout.json").read_text())


def test_every_gate_passes(document: Any) -> None:
    assert document["ok"] is True
    assert [(gate["name"], gate["verdict"]) for gate in document["gates"]] == [
        ("structure", "passed"),
        ("float64 oracle", "passed"),
        ("float32 logits", "passed"),
        ("preprocessing", "passed"),
        ("paired accuracy", "passed"),
    ]


def test_the_front_page_shows_these_gates_with_their_limits(document: Any) -> None:
    lines = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8").splitlines()

    shown = [line for line in lines if "  passed   " in line]
    assert len(shown) == len(document["gates"])
    for line, gate in zip(shown, document["gates"], strict=True):
        assert line.startswith(f"{gate['name']}  ")
        assert line.endswith(f"  {gate['limit']}")


def test_the_frameworks_score_alike_and_well(document: Any) -> None:
    accuracy = document["paired"]["accuracy"]

    assert accuracy["torch"] == accuracy["paddle"]
    assert accuracy["torch"]["top1"] > 95
    assert (document["paired"]["flips"], document["paired"]["agreement"]) == ([], 100.0)


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_the_scores_are_what_plain_python_counts_with_the_folders_names(
    framework: str, report: Path, document: Any
) -> None:
    query = "SELECT name, class1, class2, class3, class4, class5 FROM images JOIN predictions ON image = id"
    with closing(sqlite3.connect(report / "run.sqlite")) as database:
        rows = database.execute(f"{query} WHERE framework = ?", (framework,)).fetchall()
    digits = [(int(name.split("/")[0]), best) for name, *best in rows]
    top1 = sum(digit == best[0] for digit, best in digits)
    top5 = sum(digit in best for digit, best in digits)

    assert len(rows) == len(FILES)
    assert (
        document["paired"]["accuracy"][framework].items()
        >= {
            "top1": 100 * top1 / len(FILES),
            "top5": 100 * top5 / len(FILES),
        }.items()
    )


def test_what_is_printed_is_the_reports_file(report: Path) -> None:
    assert (report / "stdout.json").read_text() == (report / "report.json").read_text()


def test_the_images_are_all_there() -> None:
    counts = Counter(path.parent.name for path in FILES)

    assert sorted(counts) == CLASSES
    assert len(FILES) == 364
    assert min(counts.values()) >= 35


def test_the_images_are_png_files_of_one_size() -> None:
    kinds = set()
    for path in FILES:
        with Image.open(path) as image:
            kinds.add((path.suffix, image.format, image.size))

    assert kinds == {(".png", "PNG", (80, 80))}


def test_the_images_are_not_blank() -> None:
    blank = []
    for path in FILES:
        with Image.open(path) as image:
            low, high = image.convert("L").getextrema()
            blank += [path.name] if high - low < 100 else []

    assert blank == []


def test_no_image_is_there_twice() -> None:
    assert len({path.read_bytes() for path in FILES}) == len(FILES)


def test_the_checkpoint_is_small() -> None:
    assert CHECKPOINT.stat().st_size < 2_500_000
