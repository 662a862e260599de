"""The proof of a proposal: every tensor random and distinct, one float64 forward pass of noise in both models."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from convert.errors import FerryError
from verify.gates.compare import compare, size_of
from verify.pairing.model import PairModel
from verify.pairing.proposals import Pairs, layout_of
from verify.pairing.survey import Role, Survey, TensorFact

SEED = 20251125
IMAGES = 2
TEMPERS = (1.0, 0.7, 0.5, 0.3)
NUDGE, CALM = 1e-13, 1e-11  # a relative change of the input, and the largest that it may make in the answer
PROVEN = 1e-9  # max rel of right pairs: measured 1e-15 to 1e-10; of the smallest fault, an eps, 1e-7 and more


@dataclass(frozen=True)
class Outcome:
    """How far the answers of two models differ.

    Attributes:
        max_rel: the largest of all answers; infinite where they differ in number or shape.
        training: the same in training mode, statistics fixed; None where that is not deterministic.
        as_paddle_keeps: whether PyTorch's constants were rounded as Paddle keeps them: every eps, Hardsigmoid's slope.
    """

    max_rel: float
    training: float | None = None
    as_paddle_keeps: bool = False

    @property
    def order(self) -> float:
        """What to order outcomes by: the nearest first, NaN last."""
        return size_of(self.max_rel)

    @property
    def proven(self) -> bool:
        return self.max_rel <= PROVEN and (self.training is None or self.training <= PROVEN)  # False for NaN


def fill(
    torch: PairModel,
    paddle: PairModel,
    surveys: tuple[Survey, Survey],
    pairs: Pairs,
    *,
    temper: float,
    seed: int = SEED,
) -> None:
    """Gives both models the same random tensors; what has no counterpart keeps what it has in Paddle's."""
    theirs, _ = surveys
    torch.set_tensors(dict(drawn(theirs.tensors, seed, temper)))
    paddle.set_tensors(drawn_for_paddle(surveys, pairs, seed, temper))


def drawn_for_paddle(surveys: tuple[Survey, Survey], pairs: Pairs, seed: int, temper: float) -> dict[str, Array]:
    """The values of PyTorch's tensors under the names, and in the layout, of their counterparts."""
    theirs, ours = surveys
    turned = {}
    for name, values in drawn({name: theirs.tensors[name] for name in pairs}, seed, temper):
        layout = layout_of(theirs.tensors[name], ours.tensors[pairs[name]])
        assert layout is not None
        turned[pairs[name]] = np.ascontiguousarray(layout.to_paddle(values))
    return turned


def drawn(tensors: Mapping[str, TensorFact], seed: int, temper: float) -> Iterator[tuple[str, Array]]:
    """Values for every floating-point tensor, which depend on its name and on nothing else."""
    for name, fact in tensors.items():
        if fact.role in (Role.COUNTER, Role.INTEGER):
            continue
        yield name, random_values(fact, np.random.default_rng([seed, zlib.crc32(name.encode())]), temper)


def random_values(fact: TensorFact, generator: np.random.Generator, temper: float = 1.0) -> Array:
    """Random values that keep a network's signal at its size; matrices are scaled by `temper`."""
    noise = generator.standard_normal(fact.shape)
    if fact.role in (Role.MATRIX, Role.KERNEL):
        fan_in = math.prod(fact.shape[1:]) or 1
        return temper * noise / math.sqrt(fan_in)
    if fact.role is Role.VARIANCE:
        return generator.uniform(0.5, 1.5, fact.shape)
    if fact.role is Role.SCALE:
        return 1 + 0.1 * noise
    if fact.role is Role.SLOPE:
        return 0.25 + 0.05 * noise
    return (0.5 if fact.role is Role.OTHER else 0.1) * noise


def noise_batch(in_chans: int, size: tuple[int, int], seed: int = SEED, images: int = IMAGES) -> Array:
    """The input, (N, C, H, W) float64."""
    return np.random.default_rng(seed).standard_normal((images, in_chans, *size))


def temper_for(torch: PairModel, survey: Survey, batch: Array) -> float:
    """The largest scale of random matrices at which the model does not make a rounding error large.

    A network that multiplies its signals with one another can turn a change of the last digit into another answer.

    Raises:
        FerryError: none of them does; nothing could be proven of such a model.
    """
    for temper in TEMPERS:
        torch.set_tensors(dict(drawn(survey.tensors, SEED, temper)))
        answers, nudged = torch.run(batch), torch.run(batch * (1 + NUDGE))
        if _largest(answers, nudged) <= CALM:
            return temper
    raise FerryError(
        "PyTorch's model turns a change of its input's last digit into another answer, whatever random weights it has, "
        "so nothing can be proven of it"
    )


def judge(torch: PairModel, paddle: PairModel, batch: Array, *, training: bool) -> Outcome:
    """Runs both; PyTorch's constants are rounded as Paddle keeps them where that is what parts the two."""
    outcome = Outcome(differ(torch, paddle, batch), as_paddle_keeps=torch.is_rounded)
    if not outcome.proven and not torch.is_rounded and outcome.max_rel < 1e-5:
        torch.round_constants()
        rounded = Outcome(differ(torch, paddle, batch), as_paddle_keeps=True)
        outcome = rounded if rounded.proven else outcome
    if not outcome.proven or not training:
        return outcome
    answers = torch.run(batch, training=True), paddle.run(batch, training=True)
    if None in answers:
        return outcome
    return Outcome(outcome.max_rel, _largest(*answers), outcome.as_paddle_keeps)


def differ(torch: PairModel, paddle: PairModel, batch: Array) -> float:
    """The largest relative difference of what the two answer."""
    return _largest(torch.run(batch), paddle.run(batch))


def _largest(theirs: tuple[Array, ...] | None, ours: tuple[Array, ...] | None) -> float:
    if not theirs or not ours or [array.shape for array in theirs] != [array.shape for array in ours]:
        return math.inf
    worst = [compare(*both).max_rel for both in zip(theirs, ours, strict=True)]
    return math.nan if any(map(math.isnan, worst)) else max(worst)
