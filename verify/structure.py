"""The structure gate: the two files, and the two models built from them, hold the same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.archs import get_spec
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from convert.checkpoints import Checkpoint, read_checkpoint
from convert.digest import combined_digest, tensor_digests
from convert.errors import CheckpointError, counted
from convert.key_formats import official_names
from convert.params import parameter_count
from convert.state_dict import find_problems
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
        source_keys: official name to the source's own key.
        target: Paddle's file.
    """

    spec: ConvNeXtSpec
    source: Checkpoint
    source_keys: Mapping[str, str]
    target: Checkpoint

    def load_job(self, framework: str, *, dtype: str = "float32", digest: bool = False, builder: str = "") -> LoadJob:
        """What that framework's worker is to build."""
        if framework == "torch":
            return LoadJob(self.spec, self.source.path, self.source.wrapper, self.source_keys, dtype, digest, builder)
        keys = {param.paddle_name: param.paddle_name for param in self.spec.params()}
        return LoadJob(self.spec, self.target.path, "", keys, dtype, digest, builder)


def read_pair(arch: str, src: Path, dst: Path, *, weights: str = "") -> Pair:
    """Reads both files without running anything that they carry; raises FerryError if one is no checkpoint."""
    spec = get_spec(arch)
    source, target = read_checkpoint(src, weights=weights), read_checkpoint(dst)
    if source.container == "paddle pickle":
        raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes the one of PyTorch")
    if target.container != "paddle pickle":
        raise CheckpointError(f"{dst}: is a PyTorch checkpoint; --dst takes the one of Paddle")
    keys = official_names(source.tensors)
    fitted = spec.fitted_to({name: source.tensors[key].shape for name, key in keys.items()})
    return Pair(fitted, source, keys, target)


def tensor_problems(pair: Pair) -> list[str]:
    """What keeps either file from holding the architecture's tensors; no value is compared."""
    params = pair.spec.params()
    problems = find_problems(_source(pair), {p.torch_name: p.shape for p in params})
    lines = [f"source  {line}" for line in problems]
    problems = find_problems(pair.target.tensors, {p.paddle_name: p.paddle_shape for p in params})
    return lines + [f"target  {line}" for line in problems]


def mismatch_gate(problems: Sequence[str]) -> Gate:
    """The gate of files whose tensors do not fit."""
    return gate(NAME, False, counted(len(problems), "problem"), LIMIT, problems=tuple(problems))


def file_digests(pair: Pair) -> dict[str, dict[str, str]]:
    """Framework to official name to the digest of the tensor in its file, both in PyTorch's layout."""
    target = {p.torch_name: p.layout.to_torch(pair.target.tensors[p.paddle_name]) for p in pair.spec.params()}
    return {"torch": tensor_digests(_source(pair)), "paddle": tensor_digests(target)}


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
    return gate(NAME, not problems, measured, LIMIT, problems=tuple(problems), digest=digest, readers=readers)


def _source(pair: Pair) -> dict[str, Array]:
    return {name: pair.source.tensors[key] for name, key in pair.source_keys.items()}


def _different(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    return [name for name in expected if expected[name] != actual.get(name)]
