"""What to verify and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from convert.arrays import Array
from convert.paths import OptionalPathField, PathField
from convert.tables.table import ModelName
from verify.accuracy.evaluate import RunPlan
from verify.datasets import Choice
from verify.recipes.choose import Overrides
from verify.recipes.protocol import Protocol
from verify.store.shard import Shard
from verify.why.question import SAMPLE
from verify.workers.compute import CORES, Compute


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify and how. Paths may be given as text.

    Attributes:
        src: PyTorch's checkpoint.
        dst: Paddle's.
        arch: the architecture's name; "" to recognise it.
        table: file of the pair's parameter table, in place of an architecture; None for a known one.
        torch_model: what builds PyTorch's model, in place of ours or of the table's; None for that one.
        paddle_model: what builds Paddle's, likewise.
        weights: which state dict of the source, by its path, where it holds several.
        strip_prefix: what the source's keys begin with that are verified; "" for what all begin with.
        dst_weights: which state dict of the target, likewise.
        dst_strip_prefix: what the target's keys begin with that are verified, likewise.
        data: the validation set, a folder or an archive; None leaves the accuracy gate out.
        labelled: False compares predictions only.
        choice: how the validation set is to be read, where that is not plain.
        class_map: file that says which of the model's classes are the data set's 1000; None where all are.
        protocol: how images are prepared; with `overrides`, where no recipe is named or recognised.
        named: a recipe's name, or "".
        overrides: single values in place of the recipe's; None takes `protocol` as it stands.
        report: folder that gets the reports and the run store, or None.
        batch_size: images a forward pass.
        shard: which part of the data set.
        decoders: processes that decode images.
        compute: where the models run.
        layers: whether to compare every unit of the models.
        gradients: whether to compare the gradient of every parameter.
        why: whether to look for the usual mistakes where the accuracy is not the expected one.
        expect: that top-1, in per cent; None looks for whatever raises it.
        why_sample: images to score under each mistake.
    """

    src: PathField = PathField()
    dst: PathField = PathField()
    arch: str = ""
    table: OptionalPathField = OptionalPathField()
    torch_model: ModelName | None = None
    paddle_model: ModelName | None = None
    weights: str = ""
    strip_prefix: str = ""
    dst_weights: str = ""
    dst_strip_prefix: str = ""
    data: OptionalPathField = OptionalPathField()
    labelled: bool = True
    choice: Choice = field(default_factory=Choice)
    class_map: OptionalPathField = OptionalPathField()
    protocol: Protocol = field(default_factory=Protocol)
    named: str = ""
    overrides: Overrides | None = None
    report: OptionalPathField = OptionalPathField()
    batch_size: int = 32
    shard: Shard = field(default_factory=Shard)
    decoders: int = CORES
    compute: Compute = field(default_factory=Compute)
    layers: bool = False
    gradients: bool = False
    why: bool = False
    expect: float | None = None
    why_sample: int = SAMPLE

    def plan(self, protocol: Protocol, class_indices: Array | None) -> RunPlan:
        """How the data set is run under that protocol, and with those of the model's classes; None for all."""
        return RunPlan(
            protocol=protocol,
            batch_size=self.batch_size,
            shard=self.shard,
            decoders=self.decoders,
            compute=self.compute,
            class_indices=class_indices,
        )
