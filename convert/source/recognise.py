"""Which architecture a state dict is of, from names and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convert.archs import ARCHS, ArchSpec
from convert.errors import CheckpointError, WrongChoice
from convert.frameworks import TORCH
from convert.params import Shape
from convert.state_dict import expected_shapes


def recognise_arch(shapes: Mapping[str, Shape], frameworks: Sequence[str] = (TORCH,)) -> tuple[ArchSpec, str]:
    """The one architecture, and the framework, whose table has these tensors.

    Args:
        shapes: official names to shapes; without a head they are those of a model of 0 classes.
        frameworks: "torch", "paddle" or both: whose layout the shapes may be in.

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
    (closest, _), count = min(distances.items(), key=lambda item: item[1])
    raise CheckpointError(
        f"the tensors fit no architecture known here; closest is {closest.name}, {count} names or shapes apart: "
        f"--arch {closest.name} lists them"
    )


def distance(spec: ArchSpec, shapes: Mapping[str, Shape], framework: str) -> int:
    """How many names or shapes part the tensors from the table; half a head counts for none, and is named later."""
    head = {spec.head_key, spec.head_bias_key}
    expected = expected_shapes(spec, framework)
    table = {name: shape for name, shape in expected.items() if name in shapes or name not in head}
    return len(table.items() ^ shapes.items())
