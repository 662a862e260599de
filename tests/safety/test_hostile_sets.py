"""Parquet sets, archives and devkits that could take much memory or time: one error that says which file and why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import set_watch
from hostile_archives import KITS, TARS
from hostile_parquets import PARQUETS
from set_watch import GOOD, Watched

pytestmark = pytest.mark.long

SETS = {**PARQUETS, **TARS, **KITS}
SECONDS, MEBIBYTES = 10, 100  # measured: 0.6 s and 83 MiB for the worst; a busy machine takes longer


@pytest.fixture(scope="module")
def watched() -> dict[str, Watched]:
    """What each set came to, read in a process of its own, forked from one that is small."""
    child = subprocess.run(
        [sys.executable, Path(set_watch.__file__), "--json"], capture_output=True, text=True, timeout=300, check=True
    )
    return {kind: Watched(**fields) for kind, fields in json.loads(child.stdout).items()}


@pytest.mark.parametrize("kind", SETS)
def test_it_is_said_what_is_wrong_with(kind: str, watched: dict[str, Watched]) -> None:
    _, message = SETS[kind]

    assert message in watched[kind].text
    assert not watched[kind].text.startswith("traceback")
    assert "\n" not in watched[kind].text


@pytest.mark.parametrize("kind", SETS)
def test_little_time_and_memory_is_taken_by(kind: str, watched: dict[str, Watched]) -> None:
    own = watched[GOOD["parquet" if kind in PARQUETS else "devkit"]].of_reader  # pyarrow's own memory, or scipy's

    assert watched[kind].seconds < SECONDS
    assert watched[kind].mebibytes < MEBIBYTES
    assert watched[kind].of_reader - own < MEBIBYTES


def test_good_sets_are_accepted_by_the_same_watch(watched: dict[str, Watched]) -> None:
    assert {watched[kind].text for kind in GOOD.values()} == {"accepted"}


def test_there_are_dozens_of_kinds() -> None:
    assert len(SETS) >= 80
