"""The structure gate: the two files, and the two models built from them, hold the same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convert.casting import DEFAULT, DTYPES, widened
from convert.digest import combined_digest, tensor_digests
from convert.errors import counted
from convert.key_formats.rules import Reshape
from convert.params import parameter_count
from convert.state_dict import expected_shapes, find_problems
from verify.gate import NOTE, Gate, Measure
from verify.gates import STRUCTURE
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
    problems = find_problems(pair.expected, expected_shapes(pair.spec, "torch"))
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
    """
    tensors = widened(pair.target.tensors)
    target = {p.torch_name: p.layout.to_torch(tensors[p.paddle_name]) for p in pair.spec.params()}
    return {"torch": tensor_digests(pair.expected), "paddle": tensor_digests(target)}


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
    different = _different(files["torch"], files["paddle"])
    problems = [f"differs  {name}" for name in different]
    for framework, digests in models.items():
        problems += [f"read otherwise by {framework}  {name}" for name in _different(files[framework], digests)]
    if pair.head_change and set(different) & set(pair.head_change.fresh):
        problems.append(
            f"the target's head is another than the source's ({pair.source.spec.answer}), and not the new one of "
            f"{pair.spec.num_classes} classes that convert makes: give the source that has it"
        )
    digest = combined_digest(files["torch"])
    count = parameter_count(pair.spec.params())
    in_dtype = "" if pair.dtype == DEFAULT else f" in {pair.dtype}"
    measured = f"{len(files['torch'])} tensors, {count:,} parameters{in_dtype}, digest {digest[:12]}"
    if pair.head_change:
        measured = f"{measured}; {pair.head_change.describe()}"
    if problems:
        measured = f"{counted(len(problems), 'tensor')} of {len(files['torch'])} with other values"
    return Gate(
        STRUCTURE.name,
        measured,
        STRUCTURE.limit,
        measures=(Measure("tensors", len(files["torch"])), Measure(PARAMETERS, count)),
        problems=tuple(problems),
        details=(("digest", digest), ("readers", readers), *((NOTE, note) for note in [_note(pair)] if note)),
    )


def _note(pair: Pair) -> str:
    """What each file has beside its tensors that bears on them; "" where neither has."""
    files = {"source": pair.source, "target": pair.target}
    told = {name: (file.told, file.named.describe_numbers()) for name, file in files.items()}
    return "; ".join(f"{name}: {text}" for name, texts in told.items() for text in texts if text)


def _different(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    return [name for name in expected if expected[name] != actual.get(name)]
