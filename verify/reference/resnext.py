"""ResNeXt, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator

from convert.archs.resnext import STEM, ResNeXtSpec
from verify.reference.batch_steps import BatchNorm, MaxPool, Relu
from verify.reference.steps import Conv, Linear, Pool
from verify.reference.unit import FEATURES, Unit


def units(spec: ResNeXtSpec) -> Iterator[Unit]:
    """The network's units in the order in which they run."""
    stem = (Conv("conv1", stride=2, padding=STEM // 2), BatchNorm("bn1", eps=spec.eps), Relu("the stem's ReLU"))
    yield Unit("stem", (*stem, MaxPool("the stem's pooling")), before="layer1")
    for name in spec.block_names:
        yield _block(spec, name)
    yield Unit(FEATURES, (Pool(),), before="fc" if spec.num_classes else "")
    if spec.num_classes:
        yield Unit("fc", (Linear("fc"),))


def _block(spec: ResNeXtSpec, name: str) -> Unit:
    first = name.endswith(".0")
    stride = 2 if first and not name.startswith("layer1.") else 1
    shortcut = (Conv(f"{name}.downsample.0", stride=stride), BatchNorm(f"{name}.downsample.1", eps=spec.eps))
    return Unit(
        name,
        (
            Conv(f"{name}.conv1"),
            BatchNorm(f"{name}.bn1", eps=spec.eps),
            Relu(f"{name}: the first ReLU"),
            Conv(f"{name}.conv2", stride=stride, padding=1, groups=spec.groups),
            BatchNorm(f"{name}.bn2", eps=spec.eps),
            Relu(f"{name}: the second ReLU"),
            Conv(f"{name}.conv3"),
            BatchNorm(f"{name}.bn3", eps=spec.eps),
        ),
        shortcut=True,
        projection=shortcut if first else (),
        after=(Relu(f"{name}: the last ReLU"),),
    )
