"""Faults in the target's tensors, each with every place of an architecture that can have it.

No fault changes nothing: `plant` compares what it got with what it made, and the weights that faults are planted in are
all distinct and none trivial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.casting import cast_state_dict
from convert.params import Layout, Param

Tensors = dict[str, Array]
Place = tuple[str, ...]  # names of tensors, or of blocks

NORM_WEIGHTS = ("norm.weight", "norm_pre.weight")
INITIAL_GAMMA = 1e-6


@dataclass(frozen=True)
class TensorKind:
    """A kind of fault in a file.

    Attributes:
        name: in words.
        places: of an architecture.
        edit: changes tensors in Paddle's layout at one of these places.
    """

    name: str
    places: Callable[[ArchSpec], Iterator[Place]]
    edit: Callable[[Tensors, Place, np.random.Generator], None]

    def plant(self, tensors: Mapping[str, Array], place: Place, rng: np.random.Generator) -> Tensors:
        """The tensors with the fault there.

        Raises:
            ValueError: they are what they were.
        """
        faulty = {name: np.array(tensor, order="C") for name, tensor in tensors.items()}
        self.edit(faulty, place, rng)
        if faulty.keys() == tensors.keys() and all(_is_same(faulty[name], tensors[name]) for name in tensors):
            raise ValueError(f"{self.name} at {place} changes nothing")
        return faulty


def _is_same(one: Array, other: Array) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def _places_where(test: Callable[[Param], bool]) -> Callable[[ArchSpec], Iterator[Place]]:
    return lambda spec: ((param.paddle_name,) for param in spec.params() if test(param))


def _block_pairs(spec: ArchSpec) -> Iterator[Place]:
    """Pairs of blocks of one stage that have tensors of the same names and shapes."""
    tensors = {
        block: [
            (param.paddle_name.removeprefix(block), param.shape)
            for param in spec.params()
            if param.paddle_name.startswith(f"{block}.")
        ]
        for block in spec.block_names
    }
    pairs = combinations(spec.block_names, 2)
    alike = ((one, two) for one, two in pairs if tensors[one] == tensors[two])
    return ((one, two) for one, two in alike if one.rpartition(".")[0] == two.rpartition(".")[0])


def _norm_pairs(spec: ArchSpec) -> Iterator[Place]:
    """Pairs of norms of one width."""
    norms = [param for param in spec.params() if param.paddle_name.endswith(NORM_WEIGHTS)]
    return ((one.paddle_name, two.paddle_name) for one, two in combinations(norms, 2) if one.shape == two.shape)


def _scale_and_shift_pairs(spec: ArchSpec) -> Iterator[Place]:
    """Scale and shift of one norm."""
    names = [param.paddle_name for param in spec.params()]
    scales = (name for name in names if name.endswith(NORM_WEIGHTS))
    return ((scale, shift) for scale in scales if (shift := scale.replace("weight", "bias")) in names)


def _batch_norms(spec: ArchSpec) -> Iterator[Place]:
    """Mean and variance of one batch norm."""
    names = [param.paddle_name for param in spec.params() if param.torch_name.endswith(".running_mean")]
    return ((name, name.replace("._mean", "._variance")) for name in names)


def _grouped_kernels(spec: ArchSpec) -> Iterator[Place]:
    params = spec.params() if spec.groups > 1 else ()
    return (
        (param.paddle_name, str(param.shape[0] // spec.groups))
        for param in params
        if _is_kernel(param) and param.shape[0] == param.shape[1] * spec.groups > spec.groups
    )


def _change_tensor(change: Callable[[Array], Array]) -> Callable[[Tensors, Place, np.random.Generator], None]:
    def edit(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
        tensors[place[0]] = np.ascontiguousarray(change(tensors[place[0]]))

    return edit


def _change_one_element(
    change: Callable[[Array], Array | float],
) -> Callable[[Tensors, Place, np.random.Generator], None]:
    """Makes an edit that changes one element, at random."""

    def edit(tensors: Tensors, place: Place, rng: np.random.Generator) -> None:
        flat = tensors[place[0]].reshape(-1)
        index = rng.integers(flat.size)
        flat[index] = change(flat[index])

    return edit


def _swap(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    """Exchanges two tensors, or all those of two blocks."""
    one, two = place
    for name in [name for name in tensors if name == one or name.startswith(f"{one}.")]:
        twin = two + name.removeprefix(one)
        tensors[name], tensors[twin] = tensors[twin], tensors[name]


def _reset_statistics(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    """Leaves a batch norm's statistics as they are before training."""
    mean, variance = place
    tensors[mean], tensors[variance] = np.zeros_like(tensors[mean]), np.ones_like(tensors[variance])


def _reverse_a_group(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    """Reverses the outputs of a grouped convolution's first group."""
    name, size = place
    tensors[name][: int(size)] = tensors[name][: int(size)][::-1].copy()


def _round_to(dtype: str) -> Callable[[Array], Array]:
    def rounded(tensor: Array) -> Array:
        narrow, _ = cast_state_dict({"": tensor}, dtype)
        wide, _ = cast_state_dict(narrow, "float32")
        return wide[""]

    return rounded


def _round_all_to_half(tensors: Tensors, _: Place, __: np.random.Generator) -> None:
    tensors.update({name: _round_to("float16")(tensor) for name, tensor in tensors.items()})


def _drop_tensor(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    del tensors[place[0]]


def _add_tensor(tensors: Tensors, place: Place, _: np.random.Generator) -> None:
    tensors[f"{place[0]}_extra"] = tensors[place[0]]


def _is_linear(param: Param) -> bool:
    return param.layout is Layout.LINEAR


def _is_square(param: Param) -> bool:
    return _is_linear(param) and param.shape[0] == param.shape[1]


def _is_kernel(param: Param) -> bool:
    return len(param.shape) == 4 and param.shape[2] > 1


def _is_gamma(param: Param) -> bool:
    return param.torch_name.endswith(".gamma") and len(param.shape) == 1


_every_tensor = _places_where(lambda _: True)
_biases = _places_where(lambda param: param.torch_name.endswith(".bias"))

TENSOR_KINDS: tuple[TensorKind, ...] = (
    TensorKind("two blocks swapped", _block_pairs, _swap),
    TensorKind("two norms swapped", _norm_pairs, _swap),
    TensorKind("scale and shift swapped", _scale_and_shift_pairs, _swap),
    TensorKind("a square matrix transposed", _places_where(_is_square), _change_tensor(lambda w: w.T)),
    TensorKind(
        "a Linear reshaped, not transposed",
        _places_where(lambda param: _is_linear(param) and not _is_square(param)),
        _change_tensor(lambda w: w.T.reshape(w.shape)),
    ),
    TensorKind(
        "a Linear left in PyTorch's layout",
        _places_where(lambda param: _is_linear(param) and not _is_square(param)),
        _change_tensor(lambda w: w.T),
    ),
    TensorKind("everything rounded to half", lambda _: iter([()]), _round_all_to_half),
    TensorKind("rounded to half", _every_tensor, _change_tensor(_round_to("float16"))),
    TensorKind("rounded to bfloat16", _every_tensor, _change_tensor(_round_to("bfloat16"))),
    TensorKind(
        "one element changed by 1e-3", _every_tensor, _change_one_element(lambda value: value + np.float32(1e-3))
    ),
    TensorKind(
        "the last bit of one element",
        _every_tensor,
        _change_one_element(lambda value: np.nextafter(value, np.float32(np.inf))),
    ),
    TensorKind("a bias dropped", _biases, _change_tensor(np.zeros_like)),
    TensorKind(
        "gamma at its initial value",
        _places_where(_is_gamma),
        _change_tensor(lambda gamma: np.full_like(gamma, INITIAL_GAMMA)),
    ),
    TensorKind("statistics at their initial value", _batch_norms, _reset_statistics),
    TensorKind("mean and variance exchanged", _batch_norms, _swap),
    TensorKind("one group's outputs reversed", _grouped_kernels, _reverse_a_group),
    TensorKind("sign flipped", _every_tensor, _change_tensor(np.negative)),
    TensorKind("a tensor of zeros", _every_tensor, _change_tensor(np.zeros_like)),
    TensorKind("a kernel flipped", _places_where(_is_kernel), _change_tensor(lambda w: w[:, :, ::-1, ::-1])),
    TensorKind("a kernel transposed", _places_where(_is_kernel), _change_tensor(lambda w: w.transpose(0, 1, 3, 2))),
    TensorKind(
        "input channels reversed",
        _places_where(lambda param: _is_kernel(param) and param.shape[1] > 1),
        _change_tensor(lambda w: w[:, ::-1]),
    ),
    TensorKind("a NaN", _every_tensor, _change_one_element(lambda _: math.nan)),
    TensorKind("an infinity", _every_tensor, _change_one_element(lambda _: -math.inf)),
    TensorKind("a tensor missing", _every_tensor, _drop_tensor),
    TensorKind("an extra tensor", _every_tensor, _add_tensor),
    TensorKind("another dtype", _every_tensor, _change_tensor(lambda w: w.astype(np.float64))),
    TensorKind("half precision stored", _every_tensor, _change_tensor(lambda w: w.astype(np.float16))),
    TensorKind("another shape", _every_tensor, _change_tensor(lambda w: w[None])),
)
KINDS = {kind.name: kind for kind in TENSOR_KINDS}
