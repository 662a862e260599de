"""The forward gates: the same input through both models, in float64 and in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.casting import DEFAULT
from convert.frameworks import FRAMEWORKS
from verify.gate import NOTE, Gate, Measure
from verify.gates import FLOAT32, FLOAT64, SEED
from verify.gates.compare import Comparison, compare
from verify.images.decode import decode
from verify.limits import FLOAT32_MAX_ABS, FLOAT64_MAX_REL, OWN_ERROR_FACTOR
from verify.pair import Pair
from verify.recipes.protocol import Protocol
from verify.sample import IMAGES
from verify.workers.batches import SharedBatch
from verify.workers.worker import Worker

NOISE_IMAGES = 2
SAMPLE_IMAGES = 2
FEATURES_TEXT = "features: "  # of a model without a head
EXTRA_WIDTH = 32  # pixels; the noise is wider than high, so that exchanged axes show


@dataclass(frozen=True)
class ParityInputs:
    """Batches (N, C, H, W) in float64 whose every value float32 holds exactly."""

    batches: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        return max(batch.nbytes for batch in self.batches)


def parity_inputs(spec: ArchSpec, protocol: Protocol) -> ParityInputs:
    """Seeded noise, and images of the bundled sample where the model takes three channels."""
    wider = -(-EXTRA_WIDTH // spec.multiple_of) * spec.multiple_of
    width = protocol.size + (wider if spec.wide else 0)
    shape = (NOISE_IMAGES, spec.in_chans, protocol.size, width)
    noise = np.random.default_rng(SEED).standard_normal(shape, np.float32).astype(np.float64)
    batches = [noise]
    if spec.in_chans == 3:
        files = sorted(IMAGES.glob("*/*.png"))[:: max(1, len(list(IMAGES.glob("*/*.png"))) // SAMPLE_IMAGES)]
        decoded = [decode(path, protocol).pixels for path in files[:SAMPLE_IMAGES]]
        batches.append(np.stack([pixels for pixels in decoded if pixels is not None]).astype(np.float64))
    return ParityInputs(tuple(batches))


def parity_gates(
    pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs, *, builders: Mapping[str, str] | None = None
) -> tuple[Gate, Gate]:
    """Runs both models in float64, then in float32, and leaves the float32 models loaded.

    Args:
        pair: the checkpoints.
        workers: both frameworks'.
        inputs: the same for both.
        builders: "module:function" by framework, in place of the model packages' own; for planted faults.
    """
    logits: dict[tuple[str, str], Array] = {}
    with SharedBatch(inputs.nbytes) as shared:
        unrounded = _unrounded_logits(pair, workers["torch"], shared, inputs) if pair.rounds else None
        written = _logits_as_written(pair, workers["paddle"], shared, inputs, builders or {}) if pair.trained else None
        for dtype in ("float64", "float32"):
            for framework in FRAMEWORKS:
                builder = (builders or {}).get(framework, "")
                workers[framework].load(pair.load_job(framework, dtype=dtype, builder=builder))
                logits[framework, dtype] = _forward(workers[framework], shared, inputs.batches, dtype)
    wide = _compared(logits["torch", "float64"], logits["paddle", "float64"])
    narrow = _compared(logits["torch", "float32"], logits["paddle", "float32"])
    own_error = compare(logits["torch", "float64"], logits["torch", "float32"])
    rounding = None if unrounded is None else compare(unrounded, logits["torch", "float64"])
    what = "" if pair.spec.num_classes else FEATURES_TEXT
    merged = None if written is None else compare(logits["paddle", "float64"], written)
    oracle = float64_gate(wide, rounding, pair.dtype, what=what, merged=merged)
    return oracle, float32_gate(narrow, own_error, what=what)


def float64_gate(
    difference: Comparison,
    rounding: Comparison | None = None,
    dtype: str = DEFAULT,
    *,
    what: str = "",
    merged: Comparison | None = None,
) -> Gate:
    """Holds when the models compute the same function; False for NaN.

    Args:
        difference: PyTorch's float64 answer against Paddle's.
        rounding: PyTorch's logits of the source as it is against those of the source rounded to `dtype`, which is told
            and not judged; None where no value was rounded.
        dtype: of the target.
        what: of what the numbers are, for people, where it is not the logits.
        merged: Paddle's logits with what was merged in float64 against those with it rounded, as the target has it,
            which is told and not judged; None where nothing was merged.
    """
    measures = [Measure("max rel", difference.max_rel, FLOAT64_MAX_REL), Measure("max abs", difference.max_abs)]
    note = "" if dtype == DEFAULT else f"the target is in {dtype}, which holds every value of the source"
    if rounding:
        measures.append(Measure("max abs of the rounding alone", rounding.max_abs))
        note = (
            f"both models hold the source rounded to {dtype}, as the target is; the rounding alone moves "
            f"torch's logits by up to {rounding.max_abs:.1e} (max rel {rounding.max_rel:.1e})"
        )
    notes = [note] if note else []
    if merged:
        measures.append(Measure("max abs of the merged tensors' rounding alone", merged.max_abs))
        notes.append(
            "torch's model is the source as it was trained and Paddle's the merged one, before its merged tensors are "
            f"rounded; that rounding alone moves logits by up to {merged.max_abs:.1e} (max rel {merged.max_rel:.1e})"
        )
    details = ((NOTE, "; ".join(notes)),) if notes else ()
    measured = f"{what}max rel {difference.max_rel:.1e}"
    return Gate(FLOAT64.name, measured, FLOAT64.limit, tuple(measures), details=details)


def float32_gate(difference: Comparison, own_error: Comparison, *, what: str = "") -> Gate:
    """Holds when float32 parts the frameworks no further than it parts the source model from float64.

    Args:
        difference: PyTorch's float32 logits against Paddle's.
        own_error: PyTorch's float64 logits against its float32 ones.
        what: of what the numbers are, for people, where it is not the logits.
    """
    measures = (
        Measure("max abs", difference.max_abs, FLOAT32_MAX_ABS),
        Measure("max abs beside torch's own error", difference.max_abs, OWN_ERROR_FACTOR * own_error.max_abs),
        Measure("torch's own error", own_error.max_abs),
    )
    measured = f"{what}max abs {difference.max_abs:.1e}, torch's own error {own_error.max_abs:.1e}"
    return Gate(FLOAT32.name, measured, FLOAT32.limit, measures)


def _unrounded_logits(pair: Pair, worker: Worker, shared: SharedBatch, inputs: ParityInputs) -> Array:
    worker.load(pair.load_job("torch", dtype="float64", rounding=False))
    return _forward(worker, shared, inputs.batches, "float64")


def _logits_as_written(
    pair: Pair, worker: Worker, shared: SharedBatch, inputs: ParityInputs, builders: Mapping[str, str]
) -> Array:
    """Paddle's float64 logits with the merged tensors rounded, as the target has them."""
    worker.load(pair.load_job("paddle", dtype="float64", builder=builders.get("paddle", ""), as_written=True))
    return _forward(worker, shared, inputs.batches, "float64")


def _forward(worker: Worker, shared: SharedBatch, batches: Sequence[Array], dtype: str) -> Array:
    answers = [worker.forward(shared.put(batch.astype(dtype))) for batch in batches]
    if len({answer.shape[1:] for answer in answers}) > 1:  # maps of features, of images of different width
        answers = [answer.reshape(-1) for answer in answers]
    return np.concatenate(answers)


def _compared(expected: Array, actual: Array) -> Comparison:
    if expected.shape != actual.shape:
        return Comparison(math.inf, math.inf, ())
    return compare(expected, actual)
