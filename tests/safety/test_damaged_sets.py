"""Damage at random to parquet and tar sets: no traceback, no end of the process, no other image than the file's."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from damaged_sets import BASES, Base, archive, bases, outcome
from validation_sets import CONTENTS

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_sets.py"


def fuzz(*arguments: str) -> tuple[int, dict[str, list[int]], str]:
    """Exit status, the row of each kind without its slowest, and the whole output."""
    child = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    rows = [line.split() for line in child.stdout.splitlines()]
    found = {row[0]: [int(cell) for cell in row[1:6]] for row in rows if row and row[0] in BASES and row[1].isdigit()}
    return child.returncode, found, child.stdout


@pytest.mark.parametrize(("kind", "count"), [("parquet", 40), ("tar", 600)])
def test_damaged_sets_are_refused_or_hold_what_another_reader_finds(kind: str, count: int) -> None:
    status, rows, output = fuzz("--kind", kind, "--count", str(count), "--seed", "7")
    sets, refused, same, other, wrong = rows[kind]

    assert (status, wrong) == (0, 0), output
    assert sets == refused + same + other == count
    assert refused > count // 2


@pytest.mark.parametrize("kind", BASES)
def test_every_undamaged_set_is_read_whole(kind: str, tmp_path: Path) -> None:
    made = bases(kind, tmp_path)

    assert len(made) >= 4
    assert {outcome(base, base.content, tmp_path / "set") for base in made} == {"same"}


def test_a_reader_that_sees_another_image_is_told(tmp_path: Path) -> None:
    base = bases("tar", tmp_path)[0]
    other = archive(tarfile.USTAR_FORMAT, {**CONTENTS, "more.JPEG": b"x"})
    summed = Base(base.kind, base.name, base.content, summed=True)

    assert outcome(base, other, tmp_path / "set") == "other values"
    assert outcome(summed, other, tmp_path / "set") == "silent: a value changed in spite of its checksum"
