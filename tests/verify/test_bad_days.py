"""`verify` on machines that lack something, and beside files that somebody planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_images import write_images
from pairs import write_pair
from results import some_result
from waiting import at_most, make_fifo

from convert.archs import get_spec
from convert.errors import FerryError
from verify.datasets.texts import read_lines
from verify.report import append_step_summary
from verify.store.run_store import RunStore

LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))
sys.argv[0] = "verify"
runpy.run_module("verify", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair, and images of which one has a name beyond most terminals and is none."""
    root = tmp_path_factory.mktemp("bad days")
    write_pair(root, get_spec("convnext_digits"))
    write_images(root / "val", count=40)
    (root / "val" / "class_00" / "\N{DIVISION SLASH}\N{GRINNING FACE}.png").write_text("no image")
    return root


def verify(
    folder: Path, *more: object, program: tuple[str, ...] = ("-m", "verify"), **environment: str
) -> subprocess.CompletedProcess[str]:
    words = ["--src", folder / "x.pth", "--dst", folder / "x.pdparams", "--data", folder / "val", *more]
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_batches_that_find_no_room_are_refused_before_any_gate_has_run(folder: Path) -> None:
    done = verify(folder, "--size", 384, "--batch-size", 32, program=("-c", LIMITED))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"verify: there is no room for a batch of {32 * 3 * 384 * 384 * 4:,} bytes that all processes see: "
        "File too large; a smaller --batch-size needs less; docker's --shm-size, or ulimit -f and -v, may give more\n"
    )


def test_no_home_is_needed_and_no_terminal_that_has_every_letter(folder: Path, tmp_path: Path) -> None:
    done = verify(folder, "--size", 64, HOME="/dev/null", PYTHONIOENCODING="ascii", TMPDIR=str(tmp_path))

    assert (done.returncode, done.stderr) == (1, "")
    assert "not read    class_00/\\u2215\\U0001f600.png" in done.stdout
    assert done.stdout.splitlines()[-1] == "NOT VERIFIED: 4 passed, 1 FAILED"
    assert list(tmp_path.iterdir()) == []


def test_the_sample_needs_a_folder_for_temporary_files_and_says_so() -> None:
    code = (
        "import sys, tempfile, verify.cli; tempfile._candidate_tempdir_list = lambda: []; sys.exit(verify.cli.main())"
    )
    command = [sys.executable, "-c", code, "--sample"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("verify: no folder for temporary files can be made: No usable temporary directory")
    assert done.stderr.endswith("; set TMPDIR to one that can be written to\n")


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("stands", [True, False])
def test_a_pipe_where_the_run_store_or_its_journal_belongs_is_an_error(
    stands: bool, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    if stands and suffix:
        RunStore(path).close()
    make_fifo(tmp_path / f"run.sqlite{suffix}")

    with at_most(20), pytest.raises(FerryError) as caught:
        RunStore(path)

    assert str(caught.value) == (
        f"{path}{suffix}: is no regular file and stays as it is; another --report folder gets a new one"
    )


def test_a_pipe_in_place_of_a_list_is_an_error(tmp_path: Path) -> None:
    make_fifo(tmp_path / "val_list.txt")

    with at_most(20), pytest.raises(FerryError) as caught:
        read_lines(tmp_path / "val_list.txt")

    assert str(caught.value) == f"{tmp_path}/val_list.txt: cannot be read: it is a pipe, not a file"


def test_a_pipe_in_place_of_a_step_s_summary_is_an_error(tmp_path: Path) -> None:
    make_fifo(tmp_path / "summary")

    with at_most(20), pytest.raises(FerryError) as caught:
        append_step_summary(some_result(), tmp_path / "summary")

    assert str(caught.value) == (
        f"$GITHUB_STEP_SUMMARY, {tmp_path}/summary: cannot be written: it is a pipe, not a file"
    )
