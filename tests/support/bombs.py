"""Small files that could make a reader take much memory or time, and a watch over what ours takes.

python tests/support/bombs.py            each bomb's size, and the seconds and memory until it is refused
python tests/support/bombs.py --json     the same for programs
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from checkpoint_files import write_pth, write_zip  # noqa: E402 - after the path above
from costly_pickles import (  # noqa: E402 - after the path above
    MARKER,
    MODULUS,
    beside,
    form_of,
    laughs,
    numbered,
    remembered_attributes,
    remembered_calls,
    set_of,
)
from hostile_pickles import legacy  # noqa: E402 - after the path above
from pickles import Raw, a_dict, call, name, plain, stream, tensor, text  # noqa: E402 - after the path above
from tqdm import tqdm  # noqa: E402 - after the path above

from convert.checkpoints.containers import INDEX_SUFFIX  # noqa: E402 - after the path above
from convert.errors import FerryError  # noqa: E402 - after the path above
from convert.job import Job  # noqa: E402 - after the path above

FOUR = bytes(16)
DTYPE = name("numpy", "dtype", 2)
NEW_ARRAY = call(name("numpy.core.multiarray", "_reconstruct", 2), name("numpy", "ndarray", 2), (0,), b"b")
HALF = Raw(call(DTYPE, "f2", False, True) + plain((3, "<", None, None, None, -1, -1, 0)) + b"b")
MILLIONS = 2_000_000


def pickled(body: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(stream(body))


def torch_zip(body: bytes) -> Callable[[Path], object]:
    return lambda path: write_pth(path, stream(body, 2), {"0": FOUR})


def safetensors(header: bytes, length: int | None = None) -> Callable[[Path], object]:
    start = struct.pack("<Q", len(header) if length is None else length)
    return lambda path: path.write_bytes(start + header + FOUR)


def one_header(shape: str = "[4]", *, dtype: str = '"F32"', end: str = "16") -> bytes:
    return f'{{"w":{{"dtype":{dtype},"shape":{shape},"data_offsets":[0,{end}]}}}}'.encode()


def array_of(shape: tuple[int, ...], content: bytes = FOUR) -> Raw:
    return Raw(NEW_ARRAY + plain((1, shape, HALF, False, content)) + b"b")


def named_again(count: int, value: Raw) -> bytes:
    """One tensor under many names."""
    names = b"".join(text(f"k{number}") + b"h\x07s" for number in range(count))
    return b"}" + text(MARKER) + value + b"q\x07s" + names


def deflated(path: Path) -> None:
    write_zip(
        path,
        {"x/data.pkl": stream(a_dict({"w": tensor((4,), (1,))}), 2), "x/data/0": bytes(10_000_000)},
        zipfile.ZIP_DEFLATED,
    )


def deflated_pickle(path: Path) -> None:
    write_zip(path, {"x/data.pkl": b"\x80\x02" + b"(" * 100_000_000}, zipfile.ZIP_DEFLATED)


def many_entries(path: Path) -> None:
    write_zip(path, {"x/data.pkl": b"\x80\x02N."} | {f"x/data/{number}": b"" for number in range(100_000)})


def overlapping(path: Path) -> None:
    """Four thousand storages in one place of 4 MB: the check of each would read it again."""
    keys = [str(number) for number in range(4_000)]
    body = a_dict({key: tensor((1,), (1,), key=key, numel=1 << 20) for key in keys})
    write_pth(path, stream(body, 2), {"0": bytes(4 << 20), **dict.fromkeys(keys[1:], b"")})
    content = bytearray(path.read_bytes())
    first = content.rindex(b"PK\x03\x04", 0, content.index(b"archive/data/0"))
    crc = zlib.crc32(bytes(4 << 20))
    entry = content.index(b"PK\x01\x02")
    while content[entry : entry + 4] == b"PK\x01\x02":
        length, extra, comment = struct.unpack_from("<3H", content, entry + 28)
        if b"/data/" in content[entry + 46 : entry + 46 + length]:
            struct.pack_into("<3L", content, entry + 16, crc, 4 << 20, 4 << 20)
            struct.pack_into("<L", content, entry + 42, first)
        entry += 46 + length + extra + comment
    path.write_bytes(content)


def claiming_terabytes(path: Path) -> None:
    """An entry whose directory says, in 64 bits, that it has 2^40 bytes."""
    torch_zip(a_dict({"w": tensor((4,), (1,))}))(path)
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    sizes = struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 40)
    entry = bytearray(content[at : content.rindex(b"PK\x05\x06")])
    entry[20:28], entry[30:32] = b"\xff" * 8, struct.pack("<H", len(sizes))
    end = bytearray(content[content.rindex(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<L", struct.unpack_from("<L", end, 12)[0] + len(sizes))
    path.write_bytes(content[:at] + entry + sizes + end)


BOMBS: Mapping[str, Callable[[Path], object]] = {
    "a stride of 0 over 40 GB": torch_zip(a_dict({"w": tensor((10**10,), (0,))})),
    "dimensions of 10^9 in a torch zip": torch_zip(a_dict({"w": tensor((10**9,) * 4, (1,) * 4)})),
    "dimensions of 10^9 in a pickle": pickled(a_dict({"w": array_of((10**9,) * 4)})),
    "thirty-two dimensions of 2^62": pickled(a_dict({"w": array_of((1 << 62,) * 32)})),
    "dimensions of 10^9 in a safetensors": safetensors(one_header(str([10**9] * 4))),
    "a storage of 2^100 elements in a legacy file": lambda path: path.write_bytes(
        legacy(content=stream(a_dict({"w": tensor((4,), (1,), numel=1 << 100, legacy=True)}), 2))
    ),
    "a memo index of 2^28": pickled(b"Nr\x00\x00\x00\x10"),
    "a memo index of 2^32 - 1": pickled(b"Nr\xff\xff\xff\xff"),
    "a text of 2^62 bytes": pickled(b"\x8d" + struct.pack("<Q", 1 << 62)),
    "bytes of 2^64 - 1": pickled(b"\x8e" + b"\xff" * 8),
    "a frame of 2^63 bytes": pickled(b"\x95" + struct.pack("<Q", 1 << 63)),
    "an integer of 255 bytes": pickled(b"\x8a\xff" + b"\xff" * 255),
    "lists in lists": pickled(b"]" * MILLIONS),
    "dicts, millions of them": pickled(b"}" * MILLIONS),
    "tuples in tuples": pickled(b")" + b"\x85" * MILLIONS),
    "marks, millions of them": pickled(b"(" * MILLIONS),
    "memo entries, millions of them": pickled(b"]\x94" * MILLIONS),
    "a tuple of doubled tuples as a key": pickled(b"}" + laughs() + b"Ns"),
    "a tuple of doubled tuples as a shape": pickled(
        Raw(NEW_ARRAY + plain((1, Raw(laughs()), HALF, False, FOUR)) + b"b")
    ),
    "a tuple of doubled tuples as a persistent id": torch_zip(laughs() + b"Q"),
    "a text encoded again and again": torch_zip(
        b"]("
        + name("_codecs", "encode", 2)
        + b"q\x00"
        + plain(("a" * (1 << 20), "latin1"))
        + b"q\x01"
        + b"h\x00h\x01R" * 8_000
        + b"e"
    ),
    "a text of four bytes a letter": pickled(b"}" + text("a" * 8_000_000 + "\N{SNOWMAN}\U0001f600") + b"Ns"),
    "a line without an end": pickled(b"c" + b"a" * MILLIONS),
    "a tensor of many names": torch_zip(named_again(60_000, tensor((4,), (1,)))),
    "an array in half precision of many names": pickled(named_again(15_000, array_of((1_000_000,), bytes(2_000_000)))),
    "a chain of five thousand prefixes": pickled(a_dict({"model." * 5_000 + "w": array_of((8,))})),
    "keys, tens of thousands of them": pickled(a_dict({f"key {number}": 1 for number in range(80_000)})),
    "a key of 8 MB": torch_zip(a_dict({"k" * 8_000_000: tensor((4,), (1,))})),
    "an entry deflated a thousand to one": deflated,
    "a pickle deflated a thousand to one": deflated_pickle,
    "an entry that claims 2^40 bytes": claiming_terabytes,
    "a zip of 100,000 entries": many_entries,
    "a zip whose entries overlap": overlapping,
    "whole numbers as keys whose hashes are one": torch_zip(beside(numbered(100_000, MODULUS, "int"))),
    "the same in a .pdparams": pickled(numbered(100_000, MODULUS, "int")),
    "fractions as keys whose hashes are one": torch_zip(beside(numbered(100_000, MODULUS + 1, "float"))),
    "pairs as keys whose hashes are one": torch_zip(beside(numbered(60_000, MODULUS, "tuple"))),
    "small numbers as keys, very many": torch_zip(beside(numbered(110_000, 1 << 20, "int"))),
    "a set of numbers whose hashes are one": torch_zip(
        beside(set_of(b"".join(form_of("int", number * MODULUS) for number in range(1, 100_000))))
    ),
    "a set of doubled tuples": torch_zip(beside(set_of(laughs()))),
    "a tuple of doubled tuples as a key beside the weights": torch_zip(beside(b"}" + laughs() + b"Ns")),
    "bytes by a number": torch_zip(beside(call(name("builtins", "bytearray", 2), 1 << 40))),
    "a tensor by a number": torch_zip(beside(call(name("torch", "FloatTensor", 2), 1 << 40))),
    "a long tuple for many calls": torch_zip(beside(remembered_calls())),
    "a large dict for many objects": torch_zip(beside(remembered_attributes())),
    "memo entries far apart": pickled(
        b"N" + b"".join(b"r" + struct.pack("<L", number << 15) for number in range(120_000)),
    ),
    "a header of 2^63 bytes": safetensors(b"{", 1 << 63),
    "a header of 20 MB": safetensors(b'{"a":[' + b"[]," * 6_000_000 + b"[]]}"),
    "a header of lists, just not too long": safetensors(b'{"a":[' + b"[]," * 660_000 + b"[]]}"),
    "a header of objects, just not too long": safetensors(b'{"a":[' + b'{"":0},' * 280_000 + b"{}]}"),
    "lists in lists in a header": safetensors(b'{"a":' + b"[" * 1_000_000),
    "objects in objects in a header": safetensors(b'{"a":' * 300_000),
    "lists in the place of a dtype": safetensors(one_header(dtype="[" * 900 + "]" * 900)),
    "an integer of a million digits in a header": safetensors(one_header(end="9" * 1_000_000)),
    "an integer of four thousand digits in a header": safetensors(one_header(end="9" * 4_000)),
    "an index of 20 MB": lambda path: path.write_bytes(b'{"weight_map":{' + b" " * 20_000_000 + b"}}"),
}


@dataclass(frozen=True)
class Burst:
    """What reading one bomb came to.

    Attributes:
        size: of the file, in bytes.
        outcome: the error's class; "accepted", or "killed" after the limit.
        seconds: until then.
        mebibytes: of memory beyond what the process held before.
    """

    size: int
    outcome: str
    seconds: float
    mebibytes: float


def burst(kind: str, folder: Path, limit: float = 20.0) -> Burst:
    """Makes the bomb, and converts it in a process of its own."""
    suffix = INDEX_SUFFIX if "index of" in kind and "memo" not in kind else ".pth"
    path = folder / f"x{suffix}"
    BOMBS[kind](path)
    size = path.stat().st_size
    reading, writing = os.pipe()
    begin = time.perf_counter()
    child = os.fork()
    if not child:
        _read(path, writing, arch="convnext_tiny" if "half" in kind else "", limit=limit)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    path.unlink()
    if not answer:
        return Burst(size, "killed", time.perf_counter() - begin, float("nan"))
    return Burst(size, *json.loads(answer))


def _read(path: Path, pipe: int, *, arch: str, limit: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, limit)
    before, begin = _peak(), time.perf_counter()
    try:
        Job.read(arch, path).converted("paddle")
        outcome = "accepted"
    except FerryError as error:
        outcome = type(error).__name__
    except BaseException as error:  # noqa: BLE001  (the process ends here, and this is told)
        outcome = repr(error)[:200]
    result = [outcome, time.perf_counter() - begin, (_peak() - before) / 1024]
    os.write(pipe, json.dumps(result).encode())
    os._exit(0)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Prints a line for each bomb."""
    if "--json" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({kind: vars(burst(kind, Path(folder))) for kind in BOMBS}))
        return
    print(f"{'bomb':<50} {'bytes':>12} {'refused with':<20} {'s':>6} {'MiB':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in tqdm(BOMBS, disable=None):
            row = burst(kind, Path(folder))
            print(f"{kind:<50} {row.size:>12,} {row.outcome:<20} {row.seconds:>6.2f} {row.mebibytes:>6.0f}")


if __name__ == "__main__":
    main()
