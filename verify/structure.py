"""The structure gate: the two files, and the two models built from them, hold the same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.archs import ArchSpec
from convert.arrays import Array
from convert.digest import combined_digest, tensor_digests
from convert.errors import CheckpointError, FerryError, counted
from convert.params import parameter_count
from convert.prepare import cast_state_dict
from convert.source import PADDLE_LAYOUT, TORCH_LAYOUT, Source, read_source
from convert.state_dict import expected_shapes, find_problems
from verify.compare import Gate, gate
from verify.messages import LoadJob

NAME = "structure"
LIMIT = "same tensors, shapes, dtypes and digests; all finite"

Digests = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Pair:
    """The two checkpoints, read.

    Attributes:
        spec: the architecture, with the source's number of classes and input channels.
        source: PyTorch's file.
        target: Paddle's file.
        expected: official name to PyTorch's tensor, float32.
    """

    spec: ArchSpec
    source: Source
    target: Source
    expected: Mapping[str, Array]

    def load_job(self, framework: str, *, dtype: str = "float32", digest: bool = False, builder: str = "") -> LoadJob:
        """What that framework's worker is to build."""
        side = {"torch": self.source, "paddle": self.target}[framework]
        checkpoint = side.checkpoint
        return LoadJob(
            self.spec,
            checkpoint.path,
            checkpoint.container,
            checkpoint.wrapper,
            side.named.keys,
            dtype,
            digest,
            builder,
        )


def read_pair(arch: str | ArchSpec, src: Path, dst: Path, *, weights: str = "") -> Pair:
    """Reads both files without running anything that they carry.

    Raises:
        FerryError: one is no checkpoint, or the two are the wrong way round.
    """
    source = read_source(src, arch=arch, weights=weights)
    if source.framework == PADDLE_LAYOUT:
        raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes the one of PyTorch")
    target = read_source(dst, arch=arch)
    if target.framework == TORCH_LAYOUT:
        raise CheckpointError(f"{dst}: is a PyTorch checkpoint; --dst takes the one of Paddle")
    try:
        expected, _ = cast_state_dict(source.tensors)  # as convert does without being asked: no value changes
    except FerryError as error:
        raise FerryError(f"{src}: {error}") from error
    return Pair(source.spec, source, target, expected)


def tensor_problems(pair: Pair) -> list[str]:
    """What keeps either file from holding the architecture's tensors; no value is compared."""
    problems = find_problems(pair.expected, expected_shapes(pair.spec, "torch"))
    lines = [f"source  {line}" for line in problems]
    problems = find_problems(pair.target.tensors, expected_shapes(pair.spec, "paddle"))
    return lines + [f"target  {line}" for line in problems]


def mismatch_gate(problems: Sequence[str]) -> Gate:
    """The gate of files whose tensors do not fit."""
    return gate(NAME, False, counted(len(problems), "problem"), LIMIT, problems=tuple(problems))


def file_digests(pair: Pair) -> dict[str, dict[str, str]]:
    """Framework to official name to the digest of the tensor in its file, both in PyTorch's layout."""
    target = {p.torch_name: p.layout.to_torch(pair.target.tensors[p.paddle_name]) for p in pair.spec.params()}
    return {"torch": tensor_digests(pair.expected), "paddle": tensor_digests(target)}


def structure_gate(pair: Pair, files: Digests, models: Digests, readers: str) -> Gate:
    """Holds when both files, and both models as their frameworks filled them, hold the same tensors.

    Args:
        pair: two checkpoints without `tensor_problems`.
        files: of `file_digests`, by our own reader.
        models: framework to digests of what its model holds; the framework itself read the file, so that a fault of
            our reader cannot hide on both sides.
        readers: what read each file, for the report.
    """
    different = _different(files["torch"], files["paddle"])
    problems = [f"differs  {name}" for name in different]
    for framework, digests in models.items():
        problems += [f"read otherwise by {framework}  {name}" for name in _different(files[framework], digests)]
    digest = combined_digest(files["torch"])
    count = parameter_count(pair.spec.params())
    measured = f"{len(files['torch'])} tensors, {count:,} parameters, digest {digest[:12]}"
    if problems:
        measured = f"{counted(len(problems), 'tensor')} of {len(files['torch'])} with other values"
    values: dict[str, int | str] = {"digest": digest, "readers": readers, "parameters": count}
    return gate(NAME, not problems, measured, LIMIT, problems=tuple(problems), **values)


def _different(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    return [name for name in expected if expected[name] != actual.get(name)]
