"""Where both models are tapped, to compare what passes."""

from __future__ import annotations

from itertools import takewhile

from convert.archs.spec import ArchSpec
from verify.reference.convnext import FEATURES, unit_name
from verify.workers.messages import Tap


def taps(spec: ArchSpec) -> tuple[Tap, ...]:
    """Where both models are tapped. The answer of the whole model is the last unit, `head`, and needs no tap.

    What precedes a Linear of the head is taken before it, so that pooling and norm may stand in any order.
    """
    names = list(dict.fromkeys(unit_name(param.torch_name) for param in spec.params()))
    modules = list(takewhile(lambda name: name != FEATURES, names))
    linears = names[len(modules) + 1 :]  # pre_logits, where there is one, and the head
    before = [Tap(name, module, before=True) for name, module in zip([FEATURES, *linears[:-1]], linears, strict=True)]
    return (*(Tap(name, name) for name in modules), *before)
