"""Where the models run."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass

from convert.frameworks import FRAMEWORKS
from verify.store.facts import EAGER

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_named(text: str) -> str:
    """A device as `Compute` takes it; argparse says what is wrong with another text."""
    if not re.fullmatch(r"cpu|gpu(:\d{1,3})?(,gpu:\d{1,3})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r}: expected cpu, gpu, gpu:N or gpu:N,gpu:M")
    return text


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where the models run.

    Attributes:
        device: "cpu", "gpu" (the first one) or "gpu:1", for both frameworks; "gpu:0,gpu:1" for torch's and Paddle's.
        threads: of each framework's math; on a CPU and on one GPU the two never compute at the same time.
        tf32: whether a GPU may round float32 to 10 bits of mantissa.
        engine: what computes Paddle's float32 logits, one of `facts.ENGINES`.
        pythons: framework and the interpreter that has it, of those that this one has not.
    """

    device: str = "cpu"
    threads: int = CORES
    tf32: bool = False
    engine: str = EAGER
    pythons: tuple[tuple[str, str], ...] = ()

    def device_of(self, framework: str) -> str:
        """That framework's device: "cpu" or "gpu:N"."""
        device = self.device.split(",")[0 if framework == "torch" else -1]
        return "gpu:0" if device == "gpu" else device

    def python_of(self, framework: str) -> str:
        """The interpreter that has that framework; "" for this one."""
        return dict(self.pythons).get(framework, "")

    @property
    def has_two_devices(self) -> bool:
        """Whether the frameworks have a device each, and may compute at the same time."""
        return len({self.device_of(framework) for framework in FRAMEWORKS}) > 1
