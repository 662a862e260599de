"""Files and folders that the user may not use: named, with the system's own word, and nothing is changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from convert import ARCHS, write_checkpoint
from verify.selftest.weights import distinct_weights

# Root may do everything, so as root the command is run as nobody. Nobody may not read a root's own Python: a rehearsal
# loads all modules before.
AS_NOBODY = """\
import contextlib, io, os, sys
from convert.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["--src", sys.argv[1], "--dst", sys.argv[1] + ".pdparams"]) == 0
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's own is not, with a good source in it."""
    made = Path(tempfile.mkdtemp(prefix="paddleferry-"))
    made.chmod(0o755)
    weights = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")
    write_checkpoint(made / "x.pth", weights, framework="torch")
    (made / "x.pth").chmod(0o644)
    shutil.copyfile(made / "x.pth", made / "rehearsal.pth")
    for name, mode in (("closed", 0o555), ("open", 0o777)):
        (made / name).mkdir()
        (made / name).chmod(mode)
    yield made
    shutil.rmtree(made)


def converted(source: Path, target: Path) -> tuple[int, str]:
    given = [str(source.with_name("rehearsal.pth")), "--src", str(source), "--dst", str(target)]
    child = subprocess.run([sys.executable, "-c", AS_NOBODY, *given], capture_output=True, text=True, check=False)
    return child.returncode, child.stderr


def test_a_source_that_may_be_read_is_converted_into_a_folder_that_may_be_written(folder: Path) -> None:
    assert converted(folder / "x.pth", folder / "open" / "x.pdparams") == (0, "")

    assert (folder / "open" / "x.pdparams").exists()


def test_a_source_that_may_not_be_read_is_named(folder: Path) -> None:
    (folder / "x.pth").chmod(0)

    outcome = converted(folder / "x.pth", folder / "open" / "x.pdparams")

    reason = f"{folder}/x.pth: cannot be read: Permission denied; check the path and its permissions"
    assert outcome == (1, f"convert: {reason}\nconvert: nothing was written\n")
    assert list((folder / "open").iterdir()) == []


def test_a_target_folder_that_may_not_be_written_is_named(folder: Path) -> None:
    outcome = converted(folder / "x.pth", folder / "closed" / "x.pdparams")

    reason = f"{folder}/closed/x.pdparams: cannot be written: Permission denied"
    assert outcome == (1, f"convert: {reason}\nconvert: nothing was written\n")
    assert list((folder / "closed").iterdir()) == []


def test_a_target_in_a_folder_that_may_not_be_entered_is_named(folder: Path) -> None:
    (folder / "closed").chmod(0)

    outcome = converted(folder / "x.pth", folder / "closed" / "x.pdparams")

    reason = f"{folder}/closed/x.pdparams: cannot be written: Permission denied"
    assert outcome == (1, f"convert: {reason}\nconvert: nothing was written\n")
    (folder / "closed").chmod(0o755)
    assert list((folder / "closed").iterdir()) == []
