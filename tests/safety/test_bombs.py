"""Small files that could make a reader take much memory or time: each is refused at once, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bombs
import pytest
from bombs import BOMBS, Burst

pytestmark = pytest.mark.long

SECONDS, MEBIBYTES = 5, 100  # measured: 0.4 s and 75 MiB for the worst; a busy machine takes longer


@pytest.fixture(scope="module")
def bursts() -> dict[str, Burst]:
    """What each bomb came to, read in a process of its own, forked from one that holds neither framework's memory."""
    child = subprocess.run(
        [sys.executable, Path(bombs.__file__), "--json"], capture_output=True, text=True, timeout=120, check=True
    )
    return {kind: Burst(**fields) for kind, fields in json.loads(child.stdout).items()}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_at_once_in_little_memory_that_is(kind: str, bursts: dict[str, Burst]) -> None:
    burst = bursts[kind]

    assert burst.outcome in ("CheckpointError", "RefusedCheckpoint", "CheckpointMismatch")
    assert burst.seconds < SECONDS
    assert burst.mebibytes < MEBIBYTES


def test_there_are_dozens_of_small_bombs(bursts: dict[str, Burst]) -> None:
    assert len(bursts) >= 42
    assert max(burst.size for burst in bursts.values()) < 32 << 20
