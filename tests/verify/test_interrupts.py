"""`verify` interrupted, terminated and killed: what was done stays, and the same command goes on to the same rows."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from made_up_images import write_images
from pairs import write_pair

from convert.archs import get_spec
from verify.store.run_store import RunStore

pytestmark = pytest.mark.long

IMAGES = 150
GROWTH = 8192  # bytes by which a store grows with some dozen of the rows
DEADLINE = 90  # seconds


def command(folder: Path, report: str) -> list[str]:
    pair = ["--src", folder / "x.pth", "--dst", folder / "x.pdparams", "--data", folder / "val", "--size", 64]
    run = ["--batch-size", 1, "--workers", 1, "--report", folder / report]
    return [sys.executable, "-m", "verify", *map(str, [*pair, *run])]


def empty_store(path: Path) -> Path:
    RunStore(path).close()
    return path


def ended_by(number: signal.Signals, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, sent a signal as soon as its store holds a part of the rows."""
    store = folder / "out" / "run.sqlite"
    before = (store if store.exists() else empty_store(folder / "empty.sqlite")).stat().st_size
    with subprocess.Popen(command(folder, "out"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + DEADLINE
        while not store.exists() or store.stat().st_size < before + GROWTH:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, errors = process.communicate(timeout=DEADLINE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def rows(path: Path) -> list[str]:
    with closing(RunStore.open(path)) as store:
        lines = list(store.database.iterdump())
    return [line for line in lines if line.startswith(('INSERT INTO "images"', 'INSERT INTO "predictions"'))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("interrupted")
    write_pair(root, get_spec("convnext_digits"))
    write_images(root / "val", count=IMAGES)
    return root


def test_ctrl_c_a_termination_and_a_kill_lose_nothing_and_count_nothing_twice(folder: Path) -> None:
    interrupted = ended_by(signal.SIGINT, folder)
    kept = len(rows(folder / "out" / "run.sqlite"))
    terminated = ended_by(signal.SIGTERM, folder)
    still_kept = len(rows(folder / "out" / "run.sqlite"))
    killed = ended_by(signal.SIGKILL, folder)
    more = len(rows(folder / "out" / "run.sqlite"))
    resumed, _ = (
        subprocess.run(command(folder, report), capture_output=True, text=True, timeout=DEADLINE)
        for report in ("out", "whole")
    )

    assert (interrupted.returncode, interrupted.stdout) == (130, "")
    assert interrupted.stderr == (
        f"\nverify: interrupted after {kept // 3} of {IMAGES} images; no verdict. The same command goes on from there\n"
    )
    assert (terminated.returncode, terminated.stdout) == (143, "")
    assert terminated.stderr == (
        f"\nverify: terminated after {still_kept // 3} of {IMAGES} images; no verdict. "
        "The same command goes on from there\n"
    )
    assert killed.returncode == -signal.SIGKILL
    assert 0 < kept < still_kept < more < 3 * IMAGES
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert f"{more // 3} images by an earlier run" in resumed.stdout
    assert rows(folder / "out" / "run.sqlite") == rows(folder / "whole" / "run.sqlite")
    assert len(rows(folder / "whole" / "run.sqlite")) == 3 * IMAGES
