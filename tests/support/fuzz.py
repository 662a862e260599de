"""Small checkpoints in six containers, seeded damage to them, and what reading the damaged ones may lead to."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
import zlib
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from damage import damaged
from mindspore_files import checkpoint, with_checksum

from convert.archs import ARCHS, ArchSpec
from convert.archs.convnext import ConvNeXtSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.arrays import Array
from convert.checkpoints.pdparams import pdparams_chunks
from convert.checkpoints.safetensors import safetensors_chunks
from convert.errors import FerryError
from convert.frameworks import TORCH
from convert.job import Job

CONTAINERS = ("torch zip", "torch legacy", "pdparams", "safetensors", "sharded safetensors", "mindspore")

SMALL = ConvNeXtIsotropicSpec(name="fuzz_isotropic", depth=1, dim=2, in_chans=1, num_classes=3)
STAGED = ConvNeXtSpec(name="fuzz_staged", depths=(1, 1, 1, 1), dims=(2, 2, 2, 2), in_chans=1, num_classes=3)
SPECS: tuple[ArchSpec, ...] = (SMALL, STAGED)

INDEX = "x.safetensors.index.json"
FEW_TO_MANY = 7
SHARDS = ("x-00001-of-00002.safetensors", "x-00002-of-00002.safetensors")


@dataclass(frozen=True)
class Base:
    """A good checkpoint and the part of it that is damaged.

    Attributes:
        spec: its architecture.
        files: name to content of every file of it; the first is the one to convert.
        damaged: name of the file that is damaged.
        entry: where not empty, the entry of the zip file that is damaged, its checksum set right afterwards.
        exact: whether no value may change unseen.
        is_named: whether its architecture is given now and then.
    """

    spec: ArchSpec
    files: Mapping[str, bytes]
    damaged: str
    entry: str = ""
    exact: bool = False
    is_named: bool = True


def bases(container: str) -> list[Base]:
    """The container's good files: of each kind one of few tensors and one of many."""
    return [base for spec in SPECS for base in MAKERS[container](spec)]


def weights_of(spec: ArchSpec) -> dict[str, Array]:
    """Distinct values of order 1 for every tensor of the architecture, in PyTorch's layout."""
    rng = np.random.default_rng(0)
    return {param.torch_name: rng.normal(size=param.shape).astype("float32") for param in spec.params()}


def in_paddle(spec: ArchSpec) -> dict[str, Array]:
    weights = weights_of(spec)
    return {param.paddle_name: param.layout.to_paddle(weights[param.torch_name]) for param in spec.params()}


def _torch_zip(spec: ArchSpec) -> list[Base]:
    content = _torch_saved(spec)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    files = {"x.pth": content}
    return [Base(spec, files, "x.pth", exact=True), Base(spec, files, "x.pth", entry)]


def _torch_legacy(spec: ArchSpec) -> list[Base]:
    return [Base(spec, {"x.pth": _torch_saved(spec, legacy=True)}, "x.pth")]


def _torch_saved(spec: ArchSpec, *, legacy: bool = False) -> bytes:
    import torch  # not in the processes that read

    tensors = {name: torch.from_numpy(array) for name, array in weights_of(spec).items()}
    file = io.BytesIO()
    checkpoint = {"model": tensors, "epoch": 3, "args": Namespace(lr=4e-3, model="x"), "best": np.float64(0.5)}
    torch.save(checkpoint, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _pdparams(spec: ArchSpec) -> list[Base]:
    tensors = in_paddle(spec)
    named = {**tensors, "StructuredToParameterName@@": {name: f"linear_{i}.w_0" for i, name in enumerate(tensors)}}
    contents = [b"".join(map(bytes, pdparams_chunks(tensors)))]
    contents += [pickle.dumps(named, protocol=protocol) for protocol in (2, 4)]  # what paddle.save does
    return [Base(spec, {"x.pdparams": content}, "x.pdparams") for content in contents]


def _safetensors(spec: ArchSpec) -> list[Base]:
    content = b"".join(map(bytes, safetensors_chunks(weights_of(spec), TORCH)))
    return [Base(spec, {"x.safetensors": content}, "x.safetensors")]


def _sharded(spec: ArchSpec) -> list[Base]:
    weights = weights_of(spec)
    half = len(weights) // 2
    parts = [dict(list(weights.items())[:half]), dict(list(weights.items())[half:])]
    weight_map = {tensor: shard for shard, part in zip(SHARDS, parts, strict=True) for tensor in part}
    files = {INDEX: json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}, indent=1).encode()}
    for shard, part in zip(SHARDS, parts, strict=True):
        files[shard] = b"".join(map(bytes, safetensors_chunks(part, TORCH)))
    return [Base(spec, files, damaged) for damaged in files]


def _mindspore(spec: ArchSpec) -> list[Base]:
    # One that was cut before the head is a good one without a head, which is taken where the architecture is given.
    content = checkpoint(weights_of(spec))
    return [Base(spec, {"x.ckpt": data}, "x.ckpt", is_named=False) for data in (content, with_checksum(content))]


MAKERS: dict[str, Callable[[ArchSpec], list[Base]]] = {
    "torch zip": _torch_zip,
    "torch legacy": _torch_legacy,
    "pdparams": _pdparams,
    "safetensors": _safetensors,
    "sharded safetensors": _sharded,
    "mindspore": _mindspore,
}


class Rezipped:
    """A zip file whose named entry can be exchanged quickly: it is written last, with a right checksum."""

    def __init__(self, content: bytes, entry: str) -> None:
        others = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(others, "w") as target:
            self.entry = archive.read(entry)
            for name in archive.namelist():
                if name != entry:
                    target.writestr(name, archive.read(name))
            assert target.fp is not None
            self.at = target.fp.tell()
        self.start, self.directory = others.getvalue()[: self.at], others.getvalue()[self.at : -22]
        self.name, self.count = entry.encode(), len(zipfile.ZipFile(others).namelist()) + 1

    def with_entry(self, data: bytes) -> bytes:
        """The zip file with that content in the entry's place."""
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(self.name), 0)
        local = b"PK\x03\x04" + common + self.name + data
        central = b"PK\x01\x02\x14\x03" + common + struct.pack("<3H2L", 0, 0, 0, 0, self.at) + self.name
        directory = self.directory + central
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, self.count, self.count, len(directory), 0, 0)
        end = end[:16] + struct.pack("<L", self.at + len(local)) + end[20:]
        return self.start + local + directory + end


def only_fuzzed_architectures() -> None:
    """Leaves the tiny ones as the only ones known in this process: thirty tables take too long a million times."""
    ARCHS.clear()
    ARCHS.update({spec.name: spec for spec in SPECS})


class Victim:
    """A base with everything at hand to damage and convert it quickly."""

    def __init__(self, base: Base, folder: Path) -> None:
        self.base = base
        self.expected = in_paddle(base.spec)
        content = base.files[base.damaged]
        self.zip = Rezipped(content, base.entry) if base.entry else None
        self.content = self.zip.entry if self.zip else content
        folder.mkdir(exist_ok=True)
        for name, whole in base.files.items():
            (folder / name).write_bytes(whole)
        self.source, self.target = folder / next(iter(base.files)), folder / base.damaged

    def convert(self, number: int) -> str:
        """ "refused", "same", "other values", or "silent: ..." for what must not be. Any other error is raised."""
        rng = random.Random(number)  # noqa: S311 - seeded, no secret
        changed = damaged(self.content, rng)
        self.target.unlink()
        self.target.write_bytes(self.zip.with_entry(changed) if self.zip else changed)
        os.utime(self.target, (0, 0))  # a file that was written this moment is waited for
        return self.outcome(rng.choice(("", "", "", self.base.spec.name if self.base.is_named else "")))

    def outcome(self, arch: str) -> str:
        try:
            tensors = Job.read(arch, self.source).converted("paddle")
        except FerryError:
            return "refused"
        actual = {(name, array.shape, array.dtype.str) for name, array in tensors.items()}
        expected = {(name, array.shape, array.dtype.str) for name, array in self.expected.items()}
        if actual != expected:
            return f"silent: other tensors, {sorted(actual ^ expected)}"
        if all(tensors[name].tobytes() == array.tobytes() for name, array in self.expected.items()):
            return "same"
        return "silent: a value changed in spite of its checksum" if self.base.exact else "other values"


def victims(container: str, folder: Path) -> list[Victim]:
    """One of each base of the container, those of few tensors several times for one of many, which take longer."""
    all_victims = [Victim(base, folder / str(number)) for number, base in enumerate(bases(container))]
    few = [victim for victim in all_victims if victim.base.spec is SMALL]
    return few * FEW_TO_MANY + [victim for victim in all_victims if victim.base.spec is not SMALL]
