"""Every message of the `convert` command about its target: exact, exit status 1, and nothing written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from files import as_tensors, standing
from weights import distinct_weights

from convert import ARCHS
from convert.cli import main

WEIGHTS = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")


def good(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path)


# What is given besides a good source, and the message.
TARGETS: dict[str, tuple[list[str], str]] = {
    "exists": (
        ["--dst", "{folder}/old.pdparams"],
        "{folder}/old.pdparams: exists already and was left as it is; --force replaces it",
    ),
    "is in no folder": (
        ["--dst", "{folder}/no/x.pdparams"],
        "{folder}/no/x.pdparams: the folder {folder}/no does not exist; create it first",
    ),
    "is a folder": (
        ["--dst", "{folder}/sub.pdparams", "--force"],
        "{folder}/sub.pdparams: is a directory; name a file in it",
    ),
    "has another suffix": (
        ["--dst", "{folder}/x.onnx"],
        "{folder}/x.onnx: the target's name must end in .pdparams or .safetensors",
    ),
    "has no suffix": (["--dst", "{folder}/x"], "{folder}/x: the target's name must end in .pdparams or .safetensors"),
    "lies in a file": (
        ["--dst", "{folder}/x.pth/y.pdparams"],
        "{folder}/x.pth/y.pdparams: the folder {folder}/x.pth does not exist; create it first",
    ),
}


def assert_refused(given: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = standing(folder)

    status = main(given)

    assert capsys.readouterr() == ("", f"convert: {message}\nconvert: nothing was written\n")
    assert status == 1
    assert standing(folder) == before


@pytest.mark.parametrize("kind", TARGETS)
def test_a_target_is_refused_that(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, message = TARGETS[kind]
    good(tmp_path / "x.pth")
    (tmp_path / "old.pdparams").write_bytes(b"old")
    (tmp_path / "sub.pdparams").mkdir()
    given = ["--arch", "convnext_digits", "--src", str(tmp_path / "x.pth"), *more]

    filled = [argument.format(folder=tmp_path) for argument in given]
    assert_refused(filled, message.format(folder=tmp_path), tmp_path, capsys)


@pytest.mark.parametrize("link", [False, True])
def test_the_source_itself_is_refused_as_target(link: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "x.pdparams", tmp_path / ("y.pdparams" if link else "x.pdparams")
    good(source)
    if link:
        target.symlink_to(source)
    given = ["--arch", "convnext_digits", "--src", str(source), "--dst", str(target), "--force"]

    assert_refused(given, f"{target}: is the source itself; choose another target", tmp_path, capsys)


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good(tmp_path / "x.pth")
    monkeypatch.setattr(os, "fsync", full)
    given = ["--arch", "convnext_digits", "--src", str(tmp_path / "x.pth"), "--dst", str(tmp_path / "x.pdparams")]

    assert_refused(given, f"{tmp_path}/x.pdparams: cannot be written: No space left on device", tmp_path, capsys)
