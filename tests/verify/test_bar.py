"""The bar of a long run, on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from made_up_images import write_images
from pairs import write_pair

from convert.archs import get_spec

BAR = re.compile(r"verify: +\d+%.*\d+/12 \[[\d:]+<[\d:?]+, .*image.*, torch=[\d.]+, paddle=[\d.]+, flips=0\]")


def run_on_a_terminal(command: list[str]) -> str:
    """What a command writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))  # rows, columns
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
            while part := os.read(ours, 4096):
                written += part
        os.close(ours)
        assert process.wait(60) == 0
    return written.decode()


def run_until_the_terminal_goes(command: list[str]) -> int:
    """The status of a command whose terminal is closed, without a signal, as soon as it has written to it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        assert os.read(ours, 4096)
        os.close(ours)
        return process.wait(120)


def test_a_terminal_that_goes_away_ends_no_run(tmp_path: Path) -> None:
    write_pair(tmp_path, get_spec("convnext_digits"))
    pair = ["--src", tmp_path / "x.pth", "--dst", tmp_path / "x.pdparams", "--data", write_images(tmp_path / "val")]
    run = ["--size", 64, "--batch-size", 1, "--workers", 1, "--report", tmp_path / "out"]

    status = run_until_the_terminal_goes([sys.executable, "-m", "verify", *map(str, [*pair, *run])])

    assert status == 0
    assert (tmp_path / "out" / "report.md").read_text().startswith("## VERIFIED: 5 passed")


def test_the_bar_tells_speed_time_left_both_scores_and_flips(tmp_path: Path) -> None:
    write_pair(tmp_path, get_spec("convnext_digits"))
    data = write_images(tmp_path / "val")
    pair = ["--src", tmp_path / "x.pth", "--dst", tmp_path / "x.pdparams", "--data", data, "--size", 64]
    run = ["--batch-size", 4, "--workers", 1]
    written = run_on_a_terminal([sys.executable, "-m", "verify", *map(str, [*pair, *run])])

    assert BAR.search(written), written
    assert "12/12" in written
