"""Containers that lie, are cut, or grow: every one ends in a CheckpointError, in memory of its own size."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import run_python, write_pth, write_zip
from pickles import a_dict, name, plain, stream, tensor

from convert import read_checkpoint, write_pdparams
from convert.cli import main
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint
from convert.job import Job

ONE = stream(a_dict({"w": tensor((4,), (1,))}), 2)
FOUR = np.arange(4, dtype="<f4").tobytes()
ENTRIES = {"x/data.pkl": ONE, "x/byteorder": b"little", "x/data/0": FOUR}


def outcome(path: Path) -> tuple[type, str]:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    return type(caught.value), str(caught.value).removeprefix(f"{path}: ")


def test_the_untouched_archive_is_read(tmp_path: Path) -> None:
    read = read_checkpoint(write_zip(tmp_path / "x.pth", ENTRIES))

    assert read.tensors["w"].tobytes() == FOUR


@pytest.mark.parametrize("entry", ["x/data.pkl", "x/data/0", "x/byteorder"])
def test_two_entries_of_one_name_are_refused(entry: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", ENTRIES)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # zipfile's own, about the second entry
        archive.writestr(entry, b"little")

    assert outcome(path) == (RefusedCheckpoint, "the zip container has two entries of one name")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {**ENTRIES, "x/data/0": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)

    message = "x/data.pkl is compressed or encrypted, which torch.save never does"
    assert outcome(path) == (RefusedCheckpoint, message)


def test_a_big_endian_archive_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {**ENTRIES, "x/byteorder": b"big"})

    assert outcome(path) == (
        CheckpointError,
        "written on a big-endian machine, which is not supported; save it anew on a little-endian one",
    )


NO_DATA = "a zip file, but not one of torch.save: it has no data.pkl; give the .pth itself"


@pytest.mark.parametrize(
    "entries",
    [
        {"readme.txt": b"hello"},
        {"data.pkl": ONE},
        {"x/y/data.pkl": ONE},
        {"x/data.pkl": ONE, "y/data.pkl": ONE},
        {"word/document.xml": b"<xml/>"},
    ],
    ids=lambda entries: " ".join(entries),
)
def test_an_archive_that_torch_did_not_save_is_no_checkpoint(entries: dict[str, bytes], tmp_path: Path) -> None:
    assert outcome(write_zip(tmp_path / "x.pth", entries)) == (CheckpointError, NO_DATA)


def test_a_torchscript_program_is_told_as_such(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {**ENTRIES, "x/constants.pkl": b"", "x/code/x.py": b""})

    kind, message = outcome(path)
    assert kind is CheckpointError
    assert message.startswith("a TorchScript program, not a state dict; its author can run: python -c 'import torch; ")


def test_a_local_header_that_is_none_is_reported(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", ENTRIES)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x03\x04")] ^= 1
    path.write_bytes(content)

    assert outcome(path) == (CheckpointError, "the zip container has no header for x/data/0; fetch the file again")


def test_an_entry_that_reaches_beyond_the_file_is_reported(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", ENTRIES)
    content = bytearray(path.read_bytes())
    offset = content.rindex(b"PK\x01\x02") + 20  # both sizes, in the central directory
    content[offset : offset + 8] = struct.pack("<II", 1 << 31, 1 << 31)
    path.write_bytes(content)

    assert outcome(path) == (CheckpointError, "the zip container is cut short within x/data/0; fetch the file again")


def test_a_file_cut_anywhere_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"model": {"w": torch.ones(5, 4), "b": torch.ones(3)}}, tmp_path / "x.pth")

    assert_cut_is_refused(tmp_path / "x.pth")


def test_a_paddle_file_cut_anywhere_is_no_checkpoint(tmp_path: Path) -> None:
    write_pdparams(tmp_path / "x.pdparams", {"w": np.ones((5, 4), "float32"), "b": np.ones(3, "float32")})

    assert_cut_is_refused(tmp_path / "x.pdparams")


def assert_cut_is_refused(path: Path) -> None:
    content, cut = path.read_bytes(), path.with_name("cut")
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"cut"):
            read_checkpoint(cut)


def test_a_cut_zip_file_says_so(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", ENTRIES)
    path.write_bytes(path.read_bytes()[:-30])

    message = (
        "the zip container is damaged or cut short: File is not a zip file; fetch the file again and compare its digest"
    )
    assert outcome(path) == (CheckpointError, message)


@pytest.mark.parametrize("value", [0x00, 0x01, 0x7F, 0x80, 0xFF])
@pytest.mark.parametrize("make", ["pth", "pdparams"])
def test_a_file_with_any_byte_changed_ends_in_no_other_error(make: str, value: int, tmp_path: Path) -> None:
    write = {"pth": write_zip_file, "pdparams": write_paddle_file}[make]
    content = write(tmp_path / "x")

    for position in range(len(content)):
        (tmp_path / "changed").write_bytes(content[:position] + bytes([value]) + content[position + 1 :])
        with suppress(CheckpointError):
            read_checkpoint(tmp_path / "changed")


def write_zip_file(path: Path) -> bytes:
    return write_zip(path, ENTRIES).read_bytes()


def write_paddle_file(path: Path) -> bytes:
    write_pdparams(path, {"w": np.ones((2, 3), "float32")})
    return path.read_bytes()


# Small files that could make a reader take much memory. Each is (name, bytes of the file).


def encoding_again_and_again() -> bytes:
    """A text of 1 MiB, turned into bytes 8,000 times over."""
    text = "a" * (1 << 20)
    start = name("_codecs", "encode", 2) + b"q\x00" + plain((text, "latin1")) + b"q\x01"
    return stream(b"](" + start + b"h\x00h\x01R" * 8_000 + b"e", 2)


def keys_of_a_mebibyte() -> bytes:
    """One long key, which sets the width of every line of a report."""
    return ONE[:-2] + plain("k" * (20 << 20)) + tensor((4,), (1,)) + b"u."


GROWING: dict[str, Callable[[], bytes]] = {
    "a text that is encoded again and again": encoding_again_and_again,
    "a key of 20 MiB": keys_of_a_mebibyte,
}

MEASURE = """
import resource, sys
from pathlib import Path
from convert.errors import FerryError
from convert.job import Job
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    Job.read("convnext_tiny", Path(sys.argv[1])).plan()
except FerryError as error:
    print(type(error).__name__)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.parametrize("kind", GROWING)
def test_a_gibibyte_is_enough_for(kind: str, tmp_path: Path) -> None:
    path = write_pth(tmp_path / "x.pth", GROWING[kind](), {"0": FOUR})
    assert path.stat().st_size < 32 << 20

    child = run_python(MEASURE, path, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

    assert child.stdout.strip() in ("FerryError", "CheckpointError", "RefusedCheckpoint")


FORGED = "a\nconvert: all is well\x1b[2J\x07"

FORGERIES: dict[str, bytes] = {
    "key": stream(a_dict({FORGED: tensor((4,), (1,))}), 2),
    "key of no tensor": stream(a_dict({"w": tensor((4,), (1,)), FORGED: 1}), 2),
    "global": stream(name("os", FORGED)),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_no_message_carries_what_would_steer_a_terminal(kind: str, tmp_path: Path) -> None:
    path = write_pth(tmp_path / "x.pth", FORGERIES[kind], {"0": FOUR})

    with pytest.raises(FerryError) as caught:
        Job.read("convnext_digits", path)

    assert "\nconvert: all is well" not in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


def test_the_command_ends_a_refusal_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_zip(tmp_path / "x.pth", {**ENTRIES, "x/data.pkl": b"\x80\x02cos\nsystem\n."})

    assert main(["--src", str(path), "--dst", str(tmp_path / "x.pdparams")]) == 1

    assert capsys.readouterr().err == (
        f"convert: {path}: the file names os.system, which no state dict needs; it was not run (byte 2 of the pickle)\n"
        "convert: where a fresh copy of the file is refused too, ask its author for tensors alone: a .safetensors\n"
        "convert: nothing was written\n"
    )
