"""A checkpoint of a network that its own table describes: whose names and layout it has, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping

from convert.archs import ArchSpec
from convert.checkpoints.containers import Container
from convert.errors import CheckpointError, shown
from convert.frameworks import FRAMEWORKS, PROPER_NAMES, TORCH
from convert.params import Layout, Shape
from convert.source.recognise import distance

Shapes = Mapping[str, Shape]


def framework_of(spec: ArchSpec, shapes: Shapes, container: Container) -> str:
    """The framework whose names and shapes in the table the tensors have; the closer one of those that may be.

    Raises:
        CheckpointError: they are another framework's than the container; or they may be either's, and it matters.
    """
    distances = {name: distance(spec, without_left_out(spec, shapes, name), name) for name in FRAMEWORKS}
    closest = min(container.frameworks, key=distances.__getitem__)
    (other,) = set(FRAMEWORKS) - {closest}
    if distances[closest] and not distances[other]:
        raise CheckpointError(
            f"a {container.name}, which is {PROPER_NAMES[closest]}'s, with the names and shapes that {spec.name} has "
            f"in {PROPER_NAMES[other]}; save the tensors as .safetensors, or by {PROPER_NAMES[other]} itself"
        )
    if len(container.frameworks) > 1 and not any(distances.values()):
        _refuse_open_layout(spec, container)
        return TORCH
    return closest


def without_left_out(spec: ArchSpec, shapes: Shapes, framework: str) -> dict[str, Shape]:
    """The tensors but for those that the framework alone has, in the shape in which the table leaves them out."""
    left_out = spec.left_out_shapes(framework)
    return {name: shape for name, shape in shapes.items() if left_out.get(name) != shape}


def _refuse_open_layout(spec: ArchSpec, container: Container) -> None:
    """Raises CheckpointError where tensors of the same names and shapes mean something else in each framework."""
    for param in spec.params():
        if param.layout is not Layout.SAME or param.torch_name != param.paddle_name:
            raise CheckpointError(
                f"{spec.name} has the same names and shapes in both frameworks, and {shown(param.torch_name)}, "
                f"{param.shape}, does not lie alike in them; a {container.name} leaves open which it is, so give "
                "a .pth or a .pdparams"
            )
