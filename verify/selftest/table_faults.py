"""The planted faults of a pair that a table states: in its own tensors and in its own layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.params import Param
from verify.gates import FLOAT32, FLOAT64, STRUCTURE
from verify.pairing.builder_text import Definition
from verify.selftest.bench import Plants
from verify.selftest.faults import SEED, Fault
from verify.selftest.tensor_kinds import TENSOR_KINDS, Place, TensorKind, Tensors

MEANS, VARIANCES = ("running_mean",), ("running_var",)
NARROW = "float32 rounded to half"  # which float64 does not have
OF_THE_MODEL = ("the input's channels reversed", "the answers reversed", NARROW)


def _statistics(spec: ArchSpec) -> Iterator[Place]:
    """Mean and variance of each norm that keeps them."""
    names = {param.torch_name: param.paddle_name for param in spec.params()}
    for mean, paddle_name in names.items():
        owner, _, last = mean.rpartition(".")
        if last in MEANS and (variance := f"{owner}.{VARIANCES[0]}") in names:
            yield paddle_name, names[variance]


def _twins(spec: ArchSpec) -> Iterator[Place]:
    """Pairs of tensors of one shape, neighbours first."""
    groups: dict[object, list[Param]] = {}
    for param in spec.params():
        groups.setdefault((param.shape, param.layout), []).append(param)
    for group in groups.values():
        yield from ((one.paddle_name, other.paddle_name) for one, other in combinations(group[:8], 2))


def _exchange(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    one, other = place
    tensors[one], tensors[other] = tensors[other], tensors[one]


def _reset(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    mean, variance = place
    tensors[mean], tensors[variance] = np.zeros_like(tensors[mean]), np.ones_like(tensors[variance])


TABLE_KINDS: tuple[TensorKind, ...] = (
    TensorKind("two tensors of one shape exchanged", _twins, _exchange),
    TensorKind("mean and variance exchanged", _statistics, _exchange),
    TensorKind("statistics at their initial value", _statistics, _reset),
    *TENSOR_KINDS,
)


def tensor_faults(spec: ArchSpec, tensors: Mapping[str, Array]) -> Iterator[Fault]:
    """A fault of each kind, at a place of the network that it changes.

    Args:
        spec: the network.
        tensors: the right ones, in Paddle's names and layout.
    """
    kept = set(spec.kept_dtypes("paddle"))
    random = np.random.default_rng(SEED)
    for kind in TABLE_KINDS:
        places = [place for place in kind.places(spec) if not kept & set(place)]
        for number in random.permutation(len(places)):
            change = _planted(kind, places[number])
            try:
                change(tensors)
            except ValueError:  # it changes nothing there
                continue
            name = f"{kind.name}: {places[number][0]}" if places[number] else kind.name
            yield Fault(name, "target's tensors", STRUCTURE.name, Plants(tensors=change))
            break


def _planted(kind: TensorKind, place: Place) -> Callable[[Mapping[str, Array]], Tensors]:
    return lambda right: kind.plant(right, place, np.random.default_rng(SEED))


def layer_faults(layers: Mapping[str, tuple[str, ...]], definition: Definition) -> Iterator[Fault]:
    """A fault of each kind in one of the layers that can have it, and those of the model itself.

    Args:
        layers: name of each fault to these layers.
        definition: of Paddle's model.
    """
    random = np.random.default_rng(SEED)
    places = [(name, paths[random.integers(len(paths))]) for name, paths in layers.items() if paths]
    for name, path in [*places, *((name, "") for name in OF_THE_MODEL)]:
        builder = replace(definition, fault=f"{name}@{path}").builder("paddle")
        gate = FLOAT32.name if name == NARROW else FLOAT64.name
        yield Fault(f"{name}: {path}" if path else name, "Paddle's model", gate, Plants(builder=builder))
