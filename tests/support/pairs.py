"""Pairs of checkpoints for the tests, and their gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from checkpoint_files import as_tensors
from twins import TINY

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.checkpoints import write_pdparams
from convert.state_dict import convert_state_dict
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.accuracy.scores import PairedResult, summarise
from verify.datasets import read_dataset
from verify.gate import Gate
from verify.gates import in_order
from verify.gates.paired import paired_gate
from verify.gates.parity import parity_gates, parity_inputs
from verify.gates.structure import file_digests, mismatch_gate, run_structure, tensor_problems
from verify.pair import Pair, read_pair
from verify.recipes.protocol import Protocol
from verify.selftest.tensor_kinds import KINDS
from verify.selftest.weights import distinct_weights
from verify.store.rows import ImageFacts
from verify.store.run_store import RunStore
from verify.workers.compute import Compute
from verify.workers.worker import Worker

Weights = dict[str, Array]

PROTOCOL = Protocol(size=64, resize=72)
BATCH = 5  # images; no divisor of the sets below, so that the last batch is shorter
CLASSES = 10
CALM = [5.0, 1.0, 0.0, 0.0, 0.0, 0.0]  # logits of an image on which the frameworks agree


def write_pair(folder: Path, spec: ArchSpec = TINY, edit: Callable[[Weights], object] | None = None) -> Pair:
    """x.pth and x.pdparams of one network with distinct weights, read again.

    Args:
        folder: gets both files.
        spec: the architecture; need not be one of the command line's.
        edit: changes the target's tensors, in Paddle's layout, before they are written.
    """
    weights = distinct_weights(spec.params(), dtype="float32")
    target = {name: np.array(tensor) for name, tensor in convert_state_dict(spec, weights).items()}
    if edit is not None:
        edit(target)
    torch.save({"model": as_tensors(weights)}, folder / "x.pth")
    write_pdparams(folder / "x.pdparams", target, force=True)
    return read_pair(spec, folder / "x.pth", folder / "x.pdparams")


def all_gates(pair: Pair, workers: Mapping[str, Worker], data: Path, *, builder: str = "") -> tuple[Gate, ...]:
    """What `verify.run.verify` does, with workers that run already and a builder for Paddle's model."""
    if problems := tensor_problems(pair):
        return (mismatch_gate(problems),)
    structure = run_structure(pair, file_digests(pair), workers)
    parity = forward_gates(pair, workers, builder=builder)
    with closing(RunStore(None)) as store:
        plan = RunPlan(protocol=PROTOCOL, batch_size=BATCH, decoders=1, compute=Compute(threads=1))
        evaluate(read_dataset(data, pair.spec.num_classes), plan, workers, store)
        return in_order([structure, *parity, paired_gate(summarise(store.rows()))])


def forward_gates(pair: Pair, workers: Mapping[str, Worker], *, builder: str = "") -> tuple[Gate, Gate]:
    """The float64 and the float32 gate alone; the float32 models stay loaded."""
    return parity_gates(pair, workers, parity_inputs(pair.spec, PROTOCOL), builders={"paddle": builder})


def scored(
    torch: Array, paddle: Array, labels: Sequence[int | None], *, broken: Sequence[str] = (), path: Path | None = None
) -> PairedResult:
    """A run over images 0.png, 1.png, ... with those logits, and over broken ones after them."""
    with closing(RunStore(path)) as store:
        images = [ImageFacts(n, f"{n}.png", label, 80, 60, "RGB") for n, label in enumerate(labels)]
        images += [ImageFacts(n, name, 0, 0, 0, "", "cut") for n, name in enumerate(broken, start=len(labels))]
        store.put_batch(images, {"torch": torch, "paddle": paddle})
        return summarise(store.rows())


def flip_by(margin: float, noise: float, calm: int = 9) -> PairedResult:
    """One flip of that margin in both frameworks, and calm images whose logits differ by the noise."""
    torch = np.array([[margin, 0.0, -1.0, -1.0, -1.0, -1.0], *[CALM] * calm])
    paddle = np.array([[0.0, margin, -1.0, -1.0, -1.0, -1.0], *[CALM] * calm])
    paddle[1:, 3] += noise
    return scored(torch, paddle, [0] * (calm + 1))


def plant(kind: str, *place: str) -> Callable[[Weights], None]:
    """An edit that plants a fault of `verify.selftest.tensor_kinds` there."""

    def edit(weights: Weights) -> None:
        faulty = KINDS[kind].plant(weights, place, np.random.default_rng(0))
        weights.clear()
        weights.update(faulty)

    return edit


# In the .pdparams file: tensors that fit the model and are wrong. The structure gate must see every one.
WRONG_VALUES: dict[str, Callable[[Weights], None]] = {
    "a depthwise bias zeroed": plant("a bias dropped", "stages.2.1.dwconv.bias"),
    "the head's bias zeroed": plant("a bias dropped", "head.bias"),
    "two norms swapped": plant("two norms swapped", "stages.2.0.norm.weight", "stages.2.1.norm.weight"),
    "two blocks of equal shape swapped": plant("two blocks swapped", "stages.2.0", "stages.2.2"),
    "the square head not transposed": plant("a square matrix transposed", "head.weight"),
    "a pwconv1 reshaped, not transposed": plant("a Linear reshaped, not transposed", "stages.2.2.pwconv1.weight"),
    "LayerScale at its initial value": plant("gamma at its initial value", "stages.3.0.gamma"),
    "one element off by 1e-3": plant("one element changed by 1e-3", "stages.1.0.pwconv2.weight"),
    "a depthwise kernel flipped": plant("a kernel flipped", "stages.0.0.dwconv.weight"),
    "everything rounded to half precision": plant("everything rounded to half"),
    "one element's last bit": plant("the last bit of one element", "norm.weight"),
}

# In the .pdparams file: tensors that do not fit.
MISFITS: dict[str, Callable[[Weights], None]] = {
    "a tensor missing": plant("a tensor missing", "stages.2.1.gamma"),
    "an unexpected tensor": plant("an extra tensor", "norm.bias"),
    "a wrong shape": plant("another shape", "stages.0.0.gamma"),
    "a Linear weight left in PyTorch's layout": plant("a Linear left in PyTorch's layout", "stages.0.0.pwconv1.weight"),
    "a tensor in float64": plant("another dtype", "norm.bias"),
    "a tensor in half precision": plant("half precision stored", "norm.bias"),
    "a NaN": plant("a NaN", "stages.1.0.norm.weight"),
    "an infinity": plant("an infinity", "stages.1.0.norm.weight"),
}
