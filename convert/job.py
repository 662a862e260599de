"""One conversion from file to file: what the command line does, callable."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from convert.archs import get_spec
from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array
from convert.checkpoints import (
    Checkpoint,
    check_target,
    read_checkpoint,
    write_pdparams,
)
from convert.errors import CheckpointError, CheckpointMismatch, FerryError, TargetError
from convert.key_formats import official_names
from convert.params import Layout, parameter_count
from convert.state_dict import convert_state_dict, plan_steps

SUFFIX = ".pdparams"


@dataclass(frozen=True)
class Job:
    """A checkpoint that was read, and what it was found to be.

    Attributes:
        spec: the architecture with the checkpoint's own number of classes and input channels.
        checkpoint: the file, under its own keys.
        keys: official name to the checkpoint's own key.
    """

    spec: ConvNeXtSpec
    checkpoint: Checkpoint
    keys: dict[str, str]

    @classmethod
    def read(cls, arch: str, src: Path, *, weights: str = "") -> Job:
        """Reads a checkpoint as that architecture; raises FerryError if the name or the file is no good."""
        spec = get_spec(arch)
        checkpoint = read_checkpoint(src, weights=weights)
        if checkpoint.container == "paddle pickle":
            raise CheckpointError(f"{src}: is a Paddle checkpoint; --src takes one of PyTorch")
        keys = official_names(checkpoint.tensors)
        shapes = {name: checkpoint.tensors[key].shape for name, key in keys.items()}
        return cls(spec.fitted_to(shapes), checkpoint, keys)

    def tensors(self) -> dict[str, Array]:
        """The source under official names, in PyTorch's layout."""
        return {name: self.checkpoint.tensors[key] for name, key in self.keys.items()}

    def converted(self) -> dict[str, Array]:
        """The target's tensors, in Paddle's layout; raises CheckpointMismatch, its text naming the file."""
        try:
            return convert_state_dict(self.spec, self.tensors())
        except CheckpointMismatch as error:
            raise CheckpointMismatch(error.arch, error.problems, str(self.checkpoint.path)) from error

    def plan(self) -> str:
        """The mapping, a line a tensor, under a summary; every problem instead if there are any."""
        try:
            self.converted()
        except CheckpointMismatch as error:
            raise FerryError(error.describe(len(error.problems))) from error
        rows = [("source", "shape", "operation", "target", "shape")]
        for step in plan_steps(self.spec):
            source = self.keys[step.source]
            rows.append((source, str(step.source_shape), step.layout.value, step.target, str(step.target_shape)))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, "", self.summary(), "nothing was written (--plan)"])

    def write(self, dst: Path, *, force: bool = False) -> str:
        """Writes the target; returns the summary that the command prints. Raises FerryError, having written nothing."""
        if dst.suffix != SUFFIX:
            raise TargetError(f"{dst}: the target's name must end in {SUFFIX}")
        check_target(dst, force=force)
        if dst.exists() and dst.samefile(self.checkpoint.path):
            raise TargetError(f"{dst}: is the source itself; choose another target")
        written = write_pdparams(dst, self.converted(), force=force)
        return f"{self.summary()}\nwrote {written.path}: {written.size:,} bytes, sha256 {written.sha256}"

    def summary(self) -> str:
        """What was read, in two lines."""
        steps = Counter(step.layout for step in plan_steps(self.spec))
        wrapper = f", under {self.checkpoint.wrapper!r}" if self.checkpoint.wrapper else ""
        count = parameter_count(self.spec.params())
        return (
            f"read {self.checkpoint.path}: {self.checkpoint.container}{wrapper}\n"
            f"{self.spec.name}, {self.spec.num_classes} classes, {self.spec.in_chans} input channels: "
            f"{count:,} parameters in {sum(steps.values())} tensors, "
            f"{steps[Layout.SAME]} copied, {steps[Layout.LINEAR]} transposed"
        )
