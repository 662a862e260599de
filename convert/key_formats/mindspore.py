"""The names of ConvNeXt's tensors in MindSpore's libraries, and what those networks compute otherwise.

mindvision   the tutorial of MindSpore Vision, whose network is a backbone, a neck and a head
mindcv       mindcv/models/convnext.py of https://github.com/mindspore-lab/mindcv at v0.3.0, V2 among them
MindSpore    mindspore/python/mindspore/nn of https://github.com/mindspore-ai/mindspore at v2.10.0: `nn.GELU()` is the
             tanh approximation; `pad_mode="same"`, a convolution's default, puts a row of zeros below and a column to
             the right of maps of odd height or width

A LayerNorm's weight and bias are its `gamma` and `beta`. A block's own `gamma` is LayerScale's: who has it decides.
"""

from __future__ import annotations

from convert.key_formats.rules import Function, KeyFormat, Reshape, Rule

STAGES = range(4)

# What stands beside the weights: an optimizer's state, a parameter each under its name, and counts and rates.
TRAINING = (
    "adam_m.",
    "adam_v.",
    "moment1.",
    "moment2.",
    "moments.",
    "vhat.",
    "accum.",
    "stat.",
    "global_step",
    "learning_rate",
    "momentum",
    "beta1_power",
    "beta2_power",
    "epoch",
    "step_num",
    "scale_sense",
    "current_iterator_step",
    "last_overflow_iterator_step",
)


def _norm(official: str, theirs: str) -> tuple[Rule, Rule]:
    """A LayerNorm's two tensors."""
    return Rule(f"{official}.weight", f"{theirs}.gamma"), Rule(f"{official}.bias", f"{theirs}.beta")


def _block(official: str, theirs: str, *, norm: str, gamma: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{official}.gamma", f"{theirs}.{gamma}"),
        *(Rule(f"{official}.{layer}.{{p}}", f"{theirs}.{layer}.{{p}}") for layer in ("dwconv", "pwconv{k}")),
        *_norm(f"{official}.norm", f"{theirs}.{norm}"),
        Rule(f"{official}.grn.gamma", f"{theirs}.grn.gamma", Reshape.GRN),
        Rule(f"{official}.grn.beta", f"{theirs}.grn.beta", Reshape.GRN),
    )


def _mindvision_stage(i: int) -> str:
    return f"backbone.down_sample_blocks.{2 * i - 1}" if i else "backbone.block1"


MINDVISION = KeyFormat(
    "mindvision",
    "backbone.block1.{j}.dwconv.weight",
    (
        Rule("downsample_layers.0.0.{p}", "backbone.start_cell.0.{p}"),
        *_norm("downsample_layers.0.1", "backbone.start_cell.2"),
        *(
            rule
            for i in STAGES[1:]
            for rule in (
                *_norm(f"downsample_layers.{i}.0", f"backbone.down_sample_blocks.{2 * i - 2}.layer_norm"),
                Rule(f"downsample_layers.{i}.1.{{p}}", f"backbone.down_sample_blocks.{2 * i - 2}.conv.{{p}}"),
            )
        ),
        *(
            rule
            for i in STAGES
            for rule in _block(f"stages.{i}.{{j}}", f"{_mindvision_stage(i)}.{{j}}", norm="layer_norm", gamma="gamma")
        ),
        *_norm("norm", "neck.layer_norm"),
        Rule("head.{p}", "head.dense.{p}"),
    ),
    training=TRAINING,
    function=Function("MindSpore", gelu_tanh=True, same_padding=True, last_eps=1e-7),
)

MINDCV = KeyFormat(
    "mindcv",
    "feature.{i}.{j}.dwconv.weight",
    (
        Rule("downsample_layers.0.0.{p}", "feature.0.0.{p}"),
        *_norm("downsample_layers.0.1", "feature.0.1"),
        *(
            rule
            for i in STAGES[1:]
            for rule in (
                *_norm(f"downsample_layers.{i}.0", f"feature.{2 * i}.0"),
                Rule(f"downsample_layers.{i}.1.{{p}}", f"feature.{2 * i}.1.{{p}}"),
            )
        ),
        *(
            rule
            for i in STAGES
            for rule in _block(f"stages.{i}.{{j}}", f"feature.{2 * i + 1}.{{j}}", norm="norm", gamma="gamma_")
        ),
        *_norm("norm", "norm"),
        Rule("head.{p}", "classifier.{p}"),
    ),
    training=TRAINING,
    function=Function("MindSpore", gelu_tanh=True, same_padding=True),
)

KEY_FORMATS = (MINDVISION, MINDCV)
