"""Known good pairs: what faults are planted in, and what must pass untouched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from convert.archs import ArchSpec, get_spec
from convert.archs.convnext import ConvNeXtSpec
from convert.archs.resnext import ResNeXtSpec
from convert.arrays import Array
from convert.casting import cast_state_dict
from convert.checkpoints import write_checkpoint, write_pdparams
from convert.source.read import read_source
from convert.state_dict import convert_state_dict
from verify import sample
from verify.pair import Pair, read_pair
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe
from verify.selftest.tensor_kinds import Tensors
from verify.selftest.weights import distinct_weights

IMAGENET = Protocol(size=64, resize=72)  # with the usual mean and std; the sample's own are the same halves, either way

# Small, with a square head, whose shape hides a transpose that was forgotten, and a response norm.
V2_TWIN = ConvNeXtSpec(
    name="V2 twin", depths=(1, 1, 3, 1), dims=(4, 6, 8, 10), num_classes=10, layer_scale=False, grn=True
)

# Two groups, and every tensor of a batch norm.
RESNEXT_TWIN = ResNeXtSpec(
    name="ResNeXt twin", depths=(1, 1, 3, 1), dims=(16, 24, 32, 40), groups=2, width=32, num_classes=10
)


@dataclass(frozen=True, kw_only=True)
class KnownGood:
    """A pair that must pass every gate.

    Attributes:
        name: in words.
        spec: the architecture.
        source: PyTorch's checkpoint.
        target: the right tensors in Paddle's layout.
        protocol: how images are prepared for it.
        recipe: the evaluation whose accuracy it must have; None for weights at random.
        builders: framework to what builds its model, where that is not one of ours.
    """

    name: str
    spec: ArchSpec
    source: Path
    target: Mapping[str, Array]
    protocol: Protocol
    recipe: Recipe | None = None
    builders: Mapping[str, str] = field(default_factory=dict)

    def pair(self, path: Path, change: Callable[[Mapping[str, Array]], Tensors] | None = None) -> Pair:
        """The pair whose target, written there, has its tensors changed."""
        write_pdparams(path, change(self.target) if change else self.target, force=True, digest=False)
        return replace(read_pair(self.spec, self.source, path), builders=self.builders)


def sample_pair() -> KnownGood:
    """The bundled sample, with the accuracy that its training script measured."""
    tensors, _ = cast_state_dict(read_source(sample.CHECKPOINT, arch=sample.ARCH).tensors)
    spec = get_spec(sample.ARCH)
    return KnownGood(
        name="the bundled sample",
        spec=spec,
        source=sample.CHECKPOINT,
        target=convert_state_dict(spec, tensors),
        protocol=sample.PROTOCOL,
        recipe=sample.RECIPE,
    )


def random_pair(spec: ArchSpec, path: Path, *, seed: int = 0) -> KnownGood:
    """A network of that architecture with distinct weights, whose source is written there."""
    weights = distinct_weights(spec.params(), seed, "float32")
    write_checkpoint(path, weights, framework="torch", force=True, digest=False)
    return KnownGood(
        name=spec.name, spec=spec, source=path, target=convert_state_dict(spec, weights), protocol=IMAGENET
    )
