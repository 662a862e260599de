"""The tutorials' own ResNeXt-50, unit by unit, up to the logits."""

from __future__ import annotations

from collections.abc import Iterator

from convert.archs.resnext import STEM
from convert.archs.resnext_blog import ResNeXtBlogSpec
from verify.reference.batch_steps import BatchNorm, FirstWindow, MaxPool, Relu
from verify.reference.steps import Conv, Linear
from verify.reference.unit import FEATURES, Unit


def units(spec: ResNeXtBlogSpec) -> Iterator[Unit]:
    """The network's units in the order in which they run."""
    stem = (
        Conv("conv1.seq.0", stride=2, padding=STEM // 2),
        BatchNorm("conv1.seq.1", eps=spec.eps),
        Relu("the stem's ReLU"),
    )
    yield Unit("stem", (*stem, MaxPool("the stem's pooling")), before="conv2")
    for name in spec.block_names:
        yield _block(spec, name)
    window = FirstWindow("the first window's mean", side=spec.pool)
    yield Unit(FEATURES, (window,), before="fc" if spec.num_classes else "")
    if spec.num_classes:
        yield Unit("fc", (Linear("fc"),))


def _block(spec: ResNeXtBlogSpec, name: str) -> Unit:
    stride = 2 if name.endswith(".0") and not name.startswith("conv2.") else 1
    return Unit(
        name,
        (
            Conv(f"{name}.conv1.seq.0"),
            BatchNorm(f"{name}.conv1.seq.1", eps=spec.eps),
            Relu(f"{name}: the first ReLU"),
            Conv(f"{name}.conv2.seq.0", stride=stride, padding=1, groups=spec.groups),
            BatchNorm(f"{name}.conv2.seq.1", eps=spec.eps),
            Relu(f"{name}: the second ReLU"),
            Conv(f"{name}.conv3"),
            BatchNorm(f"{name}.bn", eps=spec.eps),
        ),
        shortcut=True,
        projection=(Conv(f"{name}.short_cut.0", stride=stride), BatchNorm(f"{name}.short_cut.1", eps=spec.eps)),
        after=(Relu(f"{name}: the last ReLU"),),
    )
