"""Damage at random, over six containers: no crash, no hang, no other error, no tensor changed unseen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import CONTAINERS, SHARDS, SMALL, SPECS, Victim, bases, weights_of

from convert import write_checkpoint
from convert.archs import ARCHS
from convert.checkpoints import read_checkpoint
from convert.errors import CheckpointError, CheckpointMismatch
from convert.job import Job

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_convert.py"


def fuzz(*arguments: str) -> tuple[int, dict[str, list[int]], str]:
    """Exit status, the row of each container without its slowest, and the whole output."""
    child = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    rows = {}
    for line in child.stdout.splitlines()[1:]:
        if match := re.match(r"(.{20})((?: +[\d,]+){8})$", line):
            rows[match[1].strip()] = [int(cell.replace(",", "")) for cell in match[2].split()][:7]
    return child.returncode, rows, child.stdout


def test_thousands_of_damaged_files_are_refused_or_keep_their_tensors() -> None:
    status, rows, output = fuzz("--count", "6000", "--seed", "11")

    assert list(rows) == list(CONTAINERS)
    for mutations, refused, same, other, silent, crashes, hangs in rows.values():
        assert mutations == refused + same + other == 1000
        assert refused > 500
        assert (silent, crashes, hangs) == (0, 0, 0), output
    assert status == 0


@pytest.mark.parametrize(
    ("fault", "column", "told"),
    [
        ("error", 5, "safetensors 5: error: unpack requires a buffer of 8 bytes"),
        ("crash", 5, "safetensors 5: crash, exit status -11"),
        ("hang", 6, "safetensors 5: hang"),
    ],
)
def test_a_planted_fault_is_counted_and_told_with_its_number(fault: str, column: int, told: str) -> None:
    status, rows, output = fuzz("--count", "30", "--jobs", "1", "--container", "safetensors", "--fault", fault)

    assert status == 1
    assert (rows["safetensors"][0], rows["safetensors"][column]) == (30, 1)
    assert told in output.splitlines()


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_undamaged_file_converts_to_the_expected_tensors(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in SPECS:
        monkeypatch.setitem(ARCHS, spec.name, spec)
    undamaged = [Victim(base, tmp_path / str(number)) for number, base in enumerate(bases(container))]

    assert len(undamaged) >= 2
    assert {victim.outcome(victim.base.spec.name) for victim in undamaged} == {"same"}


def test_an_entry_exchanged_in_a_zip_keeps_the_others_and_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARCHS, SMALL.name, SMALL)
    victim = next(Victim(base, tmp_path / "x") for base in bases("torch zip") if base.entry)
    assert victim.zip is not None

    victim.target.write_bytes(victim.zip.with_entry(victim.content))

    assert victim.outcome(SMALL.name) == "same"


# What the million found, and what was mended.


@pytest.mark.parametrize("size", [1, 7, 8, 9])
def test_a_shard_of_a_few_bytes_is_reported_as_cut(size: int, tmp_path: Path) -> None:
    base = bases("sharded safetensors")[0]
    for name, content in base.files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / SHARDS[1]).write_bytes(base.files[SHARDS[1]][:size])

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / next(iter(base.files)))

    assert f": {SHARDS[1]}: the file is cut short: it" in str(caught.value)


def test_a_stem_without_input_channels_fits_no_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHS, SMALL.name, SMALL)
    weights = weights_of(SMALL) | {SMALL.stem_key: np.zeros((2, 0, 16, 16), "float32")}
    write_checkpoint(tmp_path / "x.pth", weights, framework="torch")

    with pytest.raises(CheckpointMismatch) as caught:
        Job.read(SMALL.name, tmp_path / "x.pth").converted("paddle")

    assert caught.value.problems == (
        "shape       stem.weight              expected (2, 1, 16, 16), found (2, 0, 16, 16)",
    )


def test_a_head_without_classes_fits_no_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHS, SMALL.name, SMALL)
    none = {SMALL.head_key: np.zeros((0, SMALL.features), "float32"), SMALL.head_bias_key: np.zeros(0, "float32")}
    write_checkpoint(tmp_path / "x.pth", weights_of(SMALL) | none, framework="torch")

    with pytest.raises(CheckpointMismatch) as caught:
        Job.read(SMALL.name, tmp_path / "x.pth").converted("paddle")

    assert [problem.split()[:2] for problem in caught.value.problems] == [
        ["shape", "head.weight"],
        ["shape", "head.bias"],
    ]
