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


def test_the_bar_tells_speed_time_left_both_scores_and_flips(tmp_path: Path) -> None:
    write_pair(tmp_path, get_spec("convnext_digits"))
    data = write_images(tmp_path / "val")
    pair = ["--src", tmp_path / "x.pth", "--dst", tmp_path / "x.pdparams", "--data", data, "--size", 64]
    run = ["--batch-size", 4, "--workers", 1]
    written = run_on_a_terminal([sys.executable, "-m", "verify", *map(str, [*pair, *run])])

    assert BAR.search(written), written
    assert "12/12" in written
