"""Checkpoint files for the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pickles import a_dict, stream, tensor

from convert import write_pdparams
from convert.arrays import BFLOAT16, Array


def as_array(tensor: torch.Tensor) -> Array:
    """The tensor's values, a bfloat16 by its bits."""
    tensor = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        bits: Array = tensor.contiguous().view(torch.int16).numpy()
        return bits.view(np.uint16).view(BFLOAT16)
    values: Array = tensor.numpy()
    return values


def as_tensors(arrays: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def same_bits(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether names, their order, dtypes, shapes and every bit are the same."""
    return list(one) == list(other) and all(
        (one[name].dtype, one[name].shape, one[name].tobytes())
        == (other[name].dtype, other[name].shape, other[name].tobytes())
        for name in one
    )


def counting(*shape: int, dtype: str = "float32") -> Array:
    return (np.arange(np.prod(shape)).reshape(shape) / 7).astype(dtype)


DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")

ARRAY_DICTS: dict[str, dict[str, Array]] = {
    "one array": {"w": counting(2, 3)},
    "a zero-dimensional array": {"w": np.array(3.5, "float32")},
    "an array of 64 KiB": {"w": counting(128, 128)},
    "Fortran order": {"w": np.asfortranarray(counting(4, 5)), "v": counting(3, 4, 5).T},
    "values that are not finite": {"w": np.array([np.nan, np.inf, -0.0, 1e-45], "float32")},
    "odd names": {"ä.\N{SNOWMAN}": counting(2), "a/b": counting(3), "": counting(1)},
    **{f"{dtype} values": {"w": counting(300, dtype=dtype)} for dtype in DTYPES},
}


def standing(folder: Path) -> dict[str, bytes]:
    """Every path under the folder, with a file's content."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def run_python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that runs the code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment or None)


def write_zip(path: Path, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip file with those entries."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def write_pth(path: Path, pickle: bytes, storages: Mapping[str, bytes] | None = None) -> Path:
    """A file as torch.save writes it, with that pickle and those storages."""
    data = {f"archive/data/{key}": content for key, content in (storages or {}).items()}
    return write_zip(path, {"archive/data.pkl": pickle, "archive/byteorder": b"little", **data})


# Reads every file of a folder in the given way; prints what each did: its outcome, and every audit event but the
# opening and mapping of the file itself. A few harmless reads come first, so that no module is loaded any more.
_WATCHED = """
import json, pickle, resource, sys
from collections.abc import Callable
from pathlib import Path
import numpy
from convert.checkpoints import read_checkpoint
from convert.errors import CheckpointError, RefusedCheckpoint

harmless, hostile = Path(sys.argv[1]), Path(sys.argv[2])
reader = {"ours": read_checkpoint, "pickle": lambda path: pickle.loads(path.read_bytes())}[sys.argv[3]]
events, reading, report = [], None, {}

def audit(event, arguments):
    own = event == "open" and arguments[0] in (str(reading), reading) or event == "mmap.__new__"
    if reading is not None and not own:
        events.append(event)

for path in sorted(harmless.iterdir()):
    read_checkpoint(path)
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
sys.addaudithook(audit)
for path in sorted(hostile.iterdir()):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = path
    try:
        outcome = ["read", type(reader(path)).__name__]
    except Exception as error:
        outcome = [type(error).__name__, str(error)]
    reading = None
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    report[path.name] = {"outcome": outcome, "events": events[:], "mebibytes": taken // 1024}
    events.clear()
print(json.dumps(report))
"""


def watched_reads(harmless: Path, hostile: Path, reader: str = "ours") -> dict[str, Any]:
    """File name to outcome, audit events and memory of reading every file of `hostile` in a process of its own.

    Args:
        harmless: folder with an ordinary file of each kind, read first.
        hostile: folder of the files to watch.
        reader: "ours", or "pickle" for Python's own unpickler.
    """
    child = subprocess.run(
        [sys.executable, "-c", _WATCHED, harmless, hostile, reader],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(json.loads(child.stdout.splitlines()[-1]))


def write_harmless(folder: Path) -> Path:
    """A folder with an ordinary file of each kind."""
    folder.mkdir()
    torch.save({"w": torch.ones(3)}, folder / "x.pth")
    write_pth(folder / "zipped.pth", stream(a_dict({"w": tensor((4,), (1,))}), 2), {"0": bytes(16)})
    write_pdparams(folder / "x.pdparams", {"w": np.ones(3, "float32")})
    return folder


def in_short(read: dict[str, Any], path: Path) -> tuple[str, str]:
    """The outcome of a watched read: the error's class, and its text without the path and the byte."""
    error, message = read["outcome"]
    assert error not in ("CheckpointError", "RefusedCheckpoint") or message.startswith(f"{path}: "), message
    return error, re.sub(r" \(byte \d+ of the pickle\)$", "", message.removeprefix(f"{path}: "))


MANY = {name: counting(5, 7, dtype=dtype) for name, dtype in zip("zyxabcdef", DTYPES, strict=True)}

OTHERS = {
    "Fortran order": {name: np.asfortranarray(array) for name, array in MANY.items()},
    "a view with strides": {name: np.repeat(array, 3, axis=1)[:, ::3] for name, array in MANY.items()},
    "a view backwards": {name: array[::-1, ::-1].copy()[::-1, ::-1] for name, array in MANY.items()},
    "big-endian": {name: array.astype(array.dtype.newbyteorder(">")) for name, array in MANY.items()},
    "read-only": {name: np.frombuffer(array.tobytes(), array.dtype).reshape(5, 7) for name, array in MANY.items()},
}
