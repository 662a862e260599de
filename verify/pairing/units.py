"""The layers of two models that are counterparts because their tensors are, by a table or by a library's names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from convert.archs.spec import ArchSpec
from convert.frameworks import PADDLE, TORCH
from convert.params import name_in


@dataclass(frozen=True)
class UnitPair:
    """A layer of PyTorch's that owns tensors, and the layer of Paddle's that owns the same.

    Attributes:
        torch: the module's path in PyTorch's model.
        paddle: the layer's in Paddle's.
        tensors: PyTorch's names of what they own, as the network's table has them.
    """

    torch: str
    paddle: str
    tensors: tuple[str, ...]


def pair_units(spec: ArchSpec, own_names: Mapping[str, Mapping[str, str]]) -> tuple[list[UnitPair], list[str]]:
    """The layers that are counterparts, in the table's order, and the paths of PyTorch's that have none.

    A layer has one where all its tensors lie in one layer of Paddle's that has no others, and where no other layer
    with tensors lies in either: a block that owns a scale answers with more than that layer.

    Args:
        spec: the network.
        own_names: framework to the network's names that its model has others for, and these.
    """
    owners: dict[str, dict[str, list[str]]] = {TORCH: defaultdict(list), PADDLE: defaultdict(list)}
    meets: dict[str, dict[str, set[str]]] = {TORCH: defaultdict(set), PADDLE: defaultdict(set)}
    for param in spec.params():
        torch, paddle = (_owner(own_names, framework, name_in(framework, param)) for framework in (TORCH, PADDLE))
        owners[TORCH][torch].append(param.torch_name)
        owners[PADDLE][paddle].append(param.torch_name)
        meets[TORCH][torch].add(paddle)
        meets[PADDLE][paddle].add(torch)
    units, others = [], []
    for torch, tensors in owners[TORCH].items():
        paddle, *more = meets[TORCH][torch]
        alone = not more and len(meets[PADDLE][paddle]) == 1
        if alone and _is_leaf(torch, owners[TORCH]) and _is_leaf(paddle, owners[PADDLE]):
            units.append(UnitPair(torch, paddle, tuple(tensors)))
        else:
            others.append(torch)
    return units, others


def _owner(own_names: Mapping[str, Mapping[str, str]], framework: str, name: str) -> str:
    return own_names[framework].get(name, name).rpartition(".")[0]


def _is_leaf(path: str, owners: Collection[str]) -> bool:
    return bool(path) and not any(other.startswith(f"{path}.") for other in owners)
