"""The structure gate: the two files, and the two models built from them, hold the same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convert.arrays import Array
from convert.casting import DEFAULT, DTYPES, widened
from convert.digest import combined_digest, tensor_digests
from convert.errors import counted
from convert.key_formats.rules import Reshape
from convert.params import parameter_count
from convert.state_dict import expected_shapes, find_problems
from verify.gate import NOTE, Gate, Measure
from verify.gates import STRUCTURE
from verify.limits import MERGED_ULPS
from verify.pair import Pair
from verify.workers.worker import Worker

PARAMETERS = "parameters"  # the measure that counts them

Digests = Mapping[str, Mapping[str, str]]


def tensor_problems(pair: Pair) -> list[str]:
    """What keeps either file from holding the architecture's tensors; no value is compared.

    A scale of another shape, which is read, is a problem of the target: Paddle's own loader does not take it.
    """
    named, stored = pair.target.named, pair.target.checkpoint.tensors
    odd = {name: stored[named.keys[name]] for name, how in named.reshaped.items() if how is Reshape.VECTOR}
    source = (pair.unmerged.tensors, pair.unmerged.spec) if pair.unmerged else (pair.expected, pair.spec)
    problems = find_problems(source[0], expected_shapes(source[1], "torch"))
    lines = [f"source  {line}" for line in problems]
    problems = find_problems(
        {**pair.target.tensors, **odd}, expected_shapes(pair.spec, "paddle"), dtype=DTYPES[pair.dtype]
    )
    return lines + [f"target  {line}" for line in problems]


def mismatch_gate(problems: Sequence[str]) -> Gate:
    """The gate of files whose tensors do not fit."""
    return Gate(STRUCTURE.name, counted(len(problems), "problem"), STRUCTURE.limit, problems=tuple(problems))


def file_digests(pair: Pair) -> dict[str, dict[str, str]]:
    """Framework to official name to the digest of the tensor in its file, both in PyTorch's layout and as float32.

    The source's is rounded to the target's dtype. float32 holds every value of a half, so that one bit more shows.
    Where the target is merged, the source's are those that PyTorch's model holds.
    """
    tensors = widened(pair.target.tensors)
    target = {p.torch_name: p.layout.to_torch(tensors[p.paddle_name]) for p in pair.spec.params()}
    return {"torch": tensor_digests(pair.held), "paddle": tensor_digests(target)}


def run_structure(pair: Pair, files: Digests, workers: Mapping[str, Worker]) -> Gate:
    """Builds both models, each from its file by its own framework, and judges what they then hold.

    Args:
        pair: two checkpoints without `tensor_problems`.
        files: of `file_digests`.
        workers: both frameworks'.
    """
    loaded = {name: worker.load(pair.load_job(name, digest=True)) for name, worker in workers.items()}
    readers = ", ".join(f"{name} by {model.reader}" for name, model in loaded.items())
    return structure_gate(pair, files, {name: model.digests for name, model in loaded.items()}, readers)


def structure_gate(pair: Pair, files: Digests, models: Digests, readers: str) -> Gate:
    """Holds when both files, and both models as their frameworks filled them, hold the same tensors.

    Args:
        pair: two checkpoints without `tensor_problems`.
        files: of `file_digests`, by our own reader.
        models: framework to digests of what its model holds; the framework itself read the file, so that a fault of
            our reader cannot hide on both sides.
        readers: what read each file, for the report.
    """
    steps = {name: _steps_apart(pair, name) for name in (pair.trained.made if pair.trained else {})}
    shared = {name: files["torch"][name] for name in files["paddle"] if name not in steps}
    different = _different(shared, files["paddle"])
    problems = [f"differs  {name}" for name in different]
    problems += [_merged_otherwise(name, count) for name, count in steps.items() if count > MERGED_ULPS]
    for framework, digests in models.items():
        problems += [f"read otherwise by {framework}  {name}" for name in _different(files[framework], digests)]
    if pair.head_change and set(different) & set(pair.head_change.fresh):
        problems.append(
            f"the target's head is another than the source's ({pair.source.spec.answer}), and not the new one of "
            f"{pair.spec.num_classes} classes that convert makes: give the source that has it"
        )
    digest = combined_digest(files["paddle"] if pair.unmerged else files["torch"])
    measured = _measured(pair, len(files["paddle"]), digest, steps)
    if problems:
        measured = f"{counted(len(problems), 'tensor')} of {len(files['paddle'])} with other values"
    merged = [Measure("ulp of merged tensors", max(steps.values()), MERGED_ULPS)] if steps else []
    tensors, count = len(files["paddle"]), parameter_count(pair.spec.params())
    return Gate(
        STRUCTURE.name,
        measured,
        STRUCTURE.limit,
        measures=(Measure("tensors", tensors), Measure(PARAMETERS, count), *merged),
        problems=tuple(problems),
        details=(("digest", digest), ("readers", readers), *((NOTE, note) for note in [_note(pair)] if note)),
    )


def _note(pair: Pair) -> str:
    """What each file has beside its tensors that bears on them; "" where neither has."""
    files = {"source": pair.source, "target": pair.target}
    told = {name: (file.told, file.named.describe_numbers()) for name, file in files.items()}
    return "; ".join(f"{name}: {text}" for name, texts in told.items() for text in texts if text)


def _measured(pair: Pair, tensors: int, digest: str, steps: Mapping[str, int]) -> str:
    """What both sides hold, for people."""
    count, in_dtype = parameter_count(pair.spec.params()), "" if pair.dtype == DEFAULT else f" in {pair.dtype}"
    parts = [f"{tensors} tensors, {count:,} parameters{in_dtype}, digest {digest[:12]}"]
    if pair.unmerged:
        apart = f", {max(steps.values())} ulp apart at most" if steps else ""
        parts.append(f"{pair.unmerged.describe()}{apart}")
    if pair.head_change:
        parts.append(pair.head_change.describe())
    return "; ".join(parts)


def _steps_apart(pair: Pair, name: str) -> int:
    """How many steps of float32 part a merged tensor's values in the target, at most, from those computed anew."""
    own = {param.torch_name: param for param in pair.spec.params()}[name]
    actual = own.layout.to_torch(pair.target.tensors[own.paddle_name])
    places = [_place(array) for array in (pair.expected[name], actual)]
    return int(np.abs(places[0] - places[1]).max(initial=0))


def _place(array: Array) -> Array:
    """Each value's place among all numbers of float32, counted from 0."""
    bits = np.ascontiguousarray(array, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _merged_otherwise(name: str, steps: int) -> str:
    return (
        f"merged otherwise  {name}: up to {steps:,} ulp from what the source's tensors give in float64; "
        "convert --merge gives that"
    )


def _different(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    return [name for name in expected if expected[name] != actual.get(name)]
