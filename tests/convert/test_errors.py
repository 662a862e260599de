"""Every message of the `convert` command about its source: exact, exit status 1, and nothing written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import as_tensors, standing, write_zip

from convert import ARCHS, write_pdparams
from convert.cli import main
from verify.selftest.weights import distinct_weights

WEIGHTS = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")


def save(content: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content, path)


def save_changed(**tensors: Any) -> Callable[[Path], object]:
    changed = {name.replace("__", "."): array for name, array in tensors.items()}
    return lambda path: torch.save({"model": as_tensors(WEIGHTS | changed)}, path)


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def good(path: Path) -> None:
    torch.save({"model": as_tensors(WEIGHTS)}, path)


def torchscript(path: Path) -> None:
    write_zip(path, {"x/data.pkl": b"", "x/constants.pkl": b"", "x/code/x.py": b""})


def cut(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes()[:100_000])


def flipped(path: Path) -> None:
    good(path)
    data = bytearray(path.read_bytes())
    data[data.index(WEIGHTS["head.weight"].tobytes()) + 5] ^= 16
    path.write_bytes(data)


def twice(path: Path) -> None:
    torch.save({"model": {"w": torch.ones(1)}, "model_ema": {"w": torch.ones(2)}}, path)


KEY_FORMATS = (
    "official, timm, torchvision, transformers, transformers DINOv3, mmpretrain, paddleclas, openclip, "
    "official isotropic, mindvision, mindcv, official ResNeXt, paddleclas_wsl, tutorial ResNeXt, "
    "official RepLKNet, paddlevit"
)
CHECK = "; check the path and its permissions"
AGAIN = "fetch the file again and compare its digest"

# What makes the source at {src}, and the message.
SOURCES: dict[str, tuple[Callable[[Path], object], str]] = {
    "that is missing": (lambda _: None, "{src}: cannot be read: No such file or directory" + CHECK),
    "that is a folder": (
        Path.mkdir,
        "{src}: is a folder without a checkpoint (model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
        "pytorch_model.bin.index.json); give the file itself",
    ),
    "that is empty": (content(b""), "{src}: is empty (0 bytes); the download may have failed, fetch it again"),
    "that is a web page": (
        content(b"\n <!DOCTYPE html><html><title>404</title></html>"),
        "{src}: is a web page, not a checkpoint; the address gave an error page or wants a login",
    ),
    "that is a git-lfs pointer": (
        content(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"),
        "{src}: is a git-lfs pointer, not the file itself; run `git lfs pull`",
    ),
    "that is an image": (
        content(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        "{src}: is no checkpoint of torch.save, paddle.save or safetensors; give the .pth, .pdparams or "
        ".safetensors itself",
    ),
    "that holds no ConvNeXt": (
        lambda path: write_pdparams(path, {"w": np.ones(3, "float32")}),
        f"{{src}}: the keys ('w', ...) are a network's in no key format known here: {KEY_FORMATS}; "
        "give the network's own state dict",
    ),
    "that is a TorchScript program": (
        torchscript,
        "{src}: a TorchScript program, not a state dict; its author can run: python -c "
        """'import torch; torch.save(torch.jit.load("{src}").state_dict(), "{stem}_state_dict.pth")'""",
    ),
    "that is another zip file": (
        lambda path: write_zip(path, {"readme.txt": b"hello"}),
        "{src}: a zip file, but not one of torch.save: it has no data.pkl; give the .pth itself",
    ),
    "that is cut short": (cut, "{src}: the zip container is damaged or cut short: File is not a zip file; " + AGAIN),
    "that is damaged": (flipped, "{src}: x/data/72 fails its checksum: the file is damaged; fetch it again"),
    "that holds a tensor": (
        save(torch.ones(2)),
        "{src}: holds one tensor, not a state dict; save model.state_dict()",
    ),
    "that holds a list": (save([torch.ones(2)]), "{src}: holds a list, not a state dict; save model.state_dict()"),
    "that holds nothing": (
        save({}),
        "{src}: holds no tensors; keys: nothing; save model.state_dict()",
    ),
    "that holds an epoch only": (
        save({"epoch": 3, "model": {}, "lr": 0.5}),
        "{src}: holds no tensors; keys: 'epoch', 'model', 'lr'; save model.state_dict()",
    ),
    "that holds many keys": (
        save(dict.fromkeys("abcdefgh")),
        "{src}: holds no tensors; keys: 'a', 'b', 'c', 'd', 'e', 'f', ...; save model.state_dict()",
    ),
    "that holds an epoch among its tensors": (
        save({"model": {"w": torch.ones(1), "epoch": 3, 7: torch.ones(1)}}),
        "{src}: the state dict holds 2 entries that are no tensors: 'epoch', 7; save model.state_dict()",
    ),
    "whose odd keys are 0 and empty": (
        save({"w": torch.ones(1), 0: torch.ones(1), "": 3}),
        "{src}: the state dict holds 2 entries that are no tensors: 0, ''; save model.state_dict()",
    ),
    "that holds two state dicts": (
        twice,
        "{src}: holds several state dicts: 'model', 'model_ema'; "
        "choose one with --weights model or --weights model_ema",
    ),
    "of another architecture": (
        save({"model": {"stages.0.0.dwconv.weight": torch.ones(40, 1, 7, 7), "head.bias": torch.ones(10)}}),
        "{src} does not fit convnext_digits: 73 problems\n"
        "  missing     downsample_layers.0.0.weight  (20, 3, 4, 4)\n"
        "  missing     downsample_layers.0.0.bias    (20,)\n"
        "  missing     downsample_layers.0.1.weight  (20,)\n"
        "  missing     downsample_layers.0.1.bias    (20,)\n"
        "  missing     downsample_layers.1.0.weight  (20,)\n"
        "  missing     downsample_layers.1.0.bias    (20,)\n"
        "  missing     downsample_layers.1.1.weight  (40, 20, 2, 2)\n"
        "  missing     downsample_layers.1.1.bias    (40,)\n"
        "  ... and 65 more; --plan prints them all\n"
        "give the whole state dict of one ConvNeXt, saved anew with model.state_dict()",
    ),
    "with a NaN": (
        save_changed(head__bias=np.array([np.nan] + [0] * 9, "float32")),
        "{src} does not fit convnext_digits: 1 problem\n"
        "  not finite  head.bias                     1 of 10 values are NaN or Inf\n"
        "fetch the file again, or save it anew from a model without these values",
    ),
    "with a tensor of whole numbers": (
        save_changed(norm__bias=np.ones(160, "int16")),
        "{src} does not fit convnext_digits: 1 problem\n"
        "  dtype       norm.bias                     expected float32, found int16\n"
        "fetch the file again, or save it anew from a model without these values",
    ),
    "with a tensor in double precision": (
        save_changed(norm__bias=np.ones(160, "float64")),
        "{src}: norm.bias is float64, which float32 cannot hold: --dtype float32 rounds it",
    ),
    "with one tensor more": (
        save_changed(norm__scale=np.ones((2, 3), "float32")),
        "{src} does not fit convnext_digits: 1 problem\n  unexpected  norm.scale                    (2, 3)\n"
        "give the whole state dict of one ConvNeXt, saved anew with model.state_dict()",
    ),
}


def assert_refused(given: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = standing(folder)

    status = main(given)

    assert capsys.readouterr() == ("", f"convert: {message}\nconvert: nothing was written\n")
    assert status == 1
    assert standing(folder) == before


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_is_refused(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, message = SOURCES[kind]
    source = tmp_path / "x.pth"
    make(source)
    given = ["--arch", "convnext_digits", "--src", str(source), "--dst", str(tmp_path / "x.pdparams")]

    assert_refused(given, message.format(src=source, stem=source.with_suffix("")), tmp_path, capsys)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (twice, "has no weights under 'ema'; it holds 'model', 'model_ema'"),
        (save({"w": torch.ones(1)}), "has no weights under 'ema'; it holds the bare state dict"),
        (save({"epoch": 1}), "has no weights under 'ema'; it holds nothing"),
    ],
)
def test_weights_that_the_file_lacks_are_refused(
    make: Callable[[Path], object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "x.pth")
    given = ["--arch", "convnext_digits", "--src", str(tmp_path / "x.pth"), "--plan", "--weights", "ema"]

    assert_refused(given, f"{tmp_path}/x.pth: {message}", tmp_path, capsys)


def test_an_unknown_architecture_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = "unknown architecture 'convnext_digit'; did you mean convnext_digits, convnext_tiny, convnext_pico?"

    assert_refused(["--arch", "convnext_digit", "--src", "x.pth", "--plan"], message, tmp_path, capsys)


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
