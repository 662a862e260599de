"""Which architecture a state dict is of, from names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product

from convert.archs import ARCHS, OWN, READ_OFF, ArchSpec
from convert.errors import CheckpointError, WrongChoice, counted, shown
from convert.frameworks import TORCH
from convert.params import Shape
from convert.state_dict import expected_shapes

EARLY = re.compile(r"(^|\.)stages[._]0\.downsample\.[0-9]\.(weight|bias)$")  # timm's


def recognise_arch(
    shapes: Mapping[str, Shape], frameworks: Sequence[str] = (TORCH,), *, own: bool = False
) -> tuple[ArchSpec, str]:
    """The one architecture, and the framework, whose table has these tensors; of none listed, one read off them.

    A file that has lost whole blocks of a listed architecture has the tensors of a shallower network. It is taken for
    one only where the user says that it is.

    Args:
        shapes: official names to shapes; without a head they are those of a model of 0 classes.
        frameworks: "torch", "paddle" or both: whose layout the shapes may be in.
        own: whether the user says that it is a network of their own.

    Returns:
        The architecture with the tensors' number of classes and input channels, and the framework.

    Raises:
        CheckpointError: none fits, or several do; the text names them.
    """
    specs = [arch.fitted_to(shapes) for arch in ARCHS.values()]
    distances = {(spec, framework): distance(spec, shapes, framework) for spec in specs for framework in frameworks}
    fitting = [pair for pair, count in distances.items() if not count]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise WrongChoice(f"the tensors fit {', '.join(spec.name for spec, _ in fitting)}; choose one with --arch")
    nets = [spec.fitted_to(shapes) for read_off in READ_OFF if (spec := read_off(shapes))]
    net_distances = {pair: distance(pair[0], shapes, pair[1]) for pair in product(nets, frameworks)}
    pair, count = min((distances | net_distances).items(), key=lambda item: item[1])
    if not count:
        if not own:
            _refuse_part(pair[0], shapes, pair[1])
        return pair
    raise _no_fit(*pair, shapes, count)


def _no_fit(closest: ArchSpec, framework: str, shapes: Mapping[str, Shape], count: int) -> CheckpointError:
    if early := next((name for name in shapes if EARLY.search(name)), ""):
        return CheckpointError(
            f"{shown(early)} is a downsampling in the first stage, as timm builds it with patch_size=2, and no model "
            "here has one; give a checkpoint of patch_size=4"
        )
    if closest.assumed:
        odd = min(name for name, _ in expected_shapes(closest, framework).items() ^ shapes.items())
        return CheckpointError(
            f"the tensors fit no architecture known here; closest is an {closest.name}, {_apart(count)}, "
            f"one of them {shown(odd)}"
        )
    return CheckpointError(
        f"the tensors fit no architecture known here; closest is {closest.name}, {_apart(count)}: "
        f"--arch {closest.name} lists them"
    )


def _apart(count: int) -> str:
    return "1 name or shape apart" if count == 1 else f"{count} names or shapes apart"


def _refuse_part(own: ArchSpec, shapes: Mapping[str, Shape], framework: str) -> None:
    """Raises WrongChoice where a listed architecture has all that stands before the head, and more."""
    missing = {
        spec.name: expected.keys() - shapes.keys()
        for spec in (arch.fitted_to(shapes) for arch in ARCHS.values())
        if (expected := expected_shapes(spec, framework)).items() >= _trunk(own, shapes).items()
    }
    if missing and all(missing.values()):  # of one whose every tensor is there, with more, it is no part
        name = min(missing, key=lambda name: len(missing[name]))
        raise WrongChoice(
            f"the tensors are those of {name} without {counted(len(missing[name]), 'tensor')}, first "
            f"{min(missing[name])}, so the file may be a part of one; if it is a whole network, an {own.name}, "
            f"choose --arch {OWN}"
        )


def _trunk(spec: ArchSpec, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The tensors of the stem, the downsampling and the blocks."""
    ends = (spec.head_key, spec.head_bias_key, f"{spec.last_norm_name}.", "pre_logits.")
    return {name: shape for name, shape in shapes.items() if not name.startswith(ends)}


def distance(spec: ArchSpec, shapes: Mapping[str, Shape], framework: str) -> int:
    """How many names part the tensors from the table, whether missing, unexpected or of another shape.

    Half a head counts for none, and is named later.
    """
    head = {spec.head_key, spec.head_bias_key}
    expected = expected_shapes(spec, framework)
    table = {name: shape for name, shape in expected.items() if name in shapes or name not in head}
    return len({name for name, _ in table.items() ^ shapes.items()})
