"""The gradient gate: the same loss in both models, and its gradient with respect to every parameter, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from convert.arrays import Array
from convert.frameworks import FRAMEWORKS
from verify.gate import Gate, Measure
from verify.gates import GRADIENTS, SEED
from verify.gates.compare import Comparison, compare, size_of
from verify.gates.parity import ParityInputs
from verify.limits import GRADIENT_MAX_REL, POOLED_GRADIENT_MAX_REL
from verify.pair import Pair
from verify.workers.batches import SharedBatch
from verify.workers.messages import AnswerPart, GradientJob
from verify.workers.worker import Worker


@dataclass(frozen=True)
class GradientDifference:
    """One parameter's gradient in both frameworks, in PyTorch's layout.

    Attributes:
        name: the parameter's in PyTorch.
        comparison: infinite where one framework has no gradient.
        missing_in: the frameworks in which none reaches the parameter.
        limit: on its max rel.
    """

    name: str
    comparison: Comparison
    missing_in: tuple[str, ...] = ()
    limit: float = GRADIENT_MAX_REL

    @property
    def ok(self) -> bool:
        return self.comparison.max_rel <= self.limit  # False for NaN


@dataclass(frozen=True)
class GradientReport:
    """Every parameter, in the parameter table's order."""

    gradients: tuple[GradientDifference, ...]


def run_gradients(
    pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs, *, builders: Mapping[str, str] | None = None
) -> GradientReport:
    """Compares the gradients of sum(answers * fixed random weights) for the first batch, the noise.

    The answers are logits, or the features of models without a head.

    Both models are in evaluation mode, so nothing is dropped. One parameter's gradients are compared at a time. Leaves
    float32 models loaded.

    Args:
        pair: the checkpoints.
        workers: both frameworks'.
        inputs: the same for both.
        builders: "module:function" by framework, in place of the model packages' own; for planted faults.
    """
    batch = inputs.batches[0]
    weights = np.random.default_rng(SEED).standard_normal((len(batch), pair.spec.outputs))
    _load(pair, workers, "float64", builders)
    with SharedBatch(batch.nbytes) as shared:
        job = GradientJob(shared.put(batch), weights)
        torch, paddle = (workers[framework].stream(job) for framework in FRAMEWORKS)
        with closing(torch), closing(paddle):
            differences = tuple(_differences(torch, paddle, [param.torch_name for param in pair.spec.params()]))
    _load(pair, workers, "float32", builders)
    return GradientReport(tuple(map(_of_strangers, filter(_is_used, differences))) if pair.builders else differences)


def gradients_gate(report: GradientReport) -> Gate:
    """Holds when every parameter has the same gradient in both frameworks; False for none at all."""
    wrong = [gradient for gradient in report.gradients if not gradient.ok]
    largest = max((gradient.comparison.max_rel for gradient in report.gradients), key=size_of, default=math.nan)
    count = len(report.gradients)
    measured = f"{count} parameters, max rel {largest:.1e}"
    if wrong:
        measured = f"{len(wrong)} of {count} parameters with another gradient"
    limit = max((gradient.limit for gradient in report.gradients), default=GRADIENT_MAX_REL)
    measures = (Measure("max rel", largest, limit), Measure("parameters", count))
    words = GRADIENTS.limit.replace(f"{GRADIENT_MAX_REL:.0e}", f"{limit:.0e}")
    return Gate(GRADIENTS.name, measured, words, measures, problems=tuple(map(_problem, wrong)))


def _is_used(difference: GradientDifference) -> bool:
    """Whether an answer comes from the parameter, in either framework: none does from a head for training alone."""
    return len(difference.missing_in) < len(FRAMEWORKS)


def _of_strangers(difference: GradientDifference) -> GradientDifference:
    return replace(difference, limit=POOLED_GRADIENT_MAX_REL)


def _load(pair: Pair, workers: Mapping[str, Worker], dtype: str, builders: Mapping[str, str] | None) -> None:
    for framework in FRAMEWORKS:
        builder = (builders or {}).get(framework, "")
        # Parameters are compared by name, so that in float64 both models are the merged one where the target is.
        job = pair.load_job(framework, dtype=dtype, builder=builder, as_trained=dtype != "float64")
        workers[framework].load(job)


def _differences(
    torch: Iterator[AnswerPart], paddle: Iterator[AnswerPart], names: Sequence[str]
) -> Iterator[GradientDifference]:
    """Both frameworks' gradients by name: what is a parameter in one of them alone has none in the other."""
    one, other = next(torch, None), next(paddle, None)
    for name in names:
        here = {"torch": one is not None and one.name == name, "paddle": other is not None and other.name == name}
        gradients = {"torch": one.array if one and here["torch"] else None}
        gradients["paddle"] = other.array if other and here["paddle"] else None
        if any(here.values()):
            yield _difference(name, gradients)
        one = next(torch, None) if here["torch"] else one
        other = next(paddle, None) if here["paddle"] else other


def _difference(name: str, gradients: Mapping[str, Array | None]) -> GradientDifference:
    expected, actual = gradients["torch"], gradients["paddle"]
    if expected is None or actual is None:
        missing_in = tuple(framework for framework, gradient in gradients.items() if gradient is None)
        return GradientDifference(name, Comparison(math.inf, math.inf, ()), missing_in)
    return GradientDifference(name, compare(expected, actual))


def _problem(gradient: GradientDifference) -> str:
    if gradient.missing_in:
        return f"{gradient.name}: no gradient in {' and '.join(gradient.missing_in)}"
    return f"{gradient.name}: max rel {gradient.comparison.max_rel:.1e} at {gradient.comparison.worst}"
