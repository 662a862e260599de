"""The libraries' names of ConvNeXt's and ConvNeXt V2's tensors, a rule a kind of tensor, and what they cannot build.

official       models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce
timm           timm/models/convnext.py of https://github.com/huggingface/pytorch-image-models at v1.0.31
torchvision    torchvision/models/convnext.py of https://github.com/pytorch/vision at v0.29.2
transformers   models/convnext, models/convnextv2 of https://github.com/huggingface/transformers at v5.23.0
mmpretrain     tools/model_converters/convnext_to_mmpretrain.py of https://github.com/open-mmlab/mmpretrain at ee7f2e8
paddleclas     ppcls/arch/backbone/model_zoo/convnext.py of https://github.com/PaddlePaddle/PaddleClas at 87452a4
openclip       timm's names under `visual.trunk.`, the projection as head: timm's own `checkpoint_filter_fn`, as above
DINOv3's       models/convnext.py of https://github.com/facebookresearch/dinov3: the official names, and the last norm's
               once more; models/dinov3_convnext of transformers, as above: names of its own
"""

from __future__ import annotations

from dataclasses import replace

from convert.archs.convnext import ConvNeXtSpec
from convert.frameworks import PADDLE
from convert.key_formats.limits import CHANNELS, EPS, EVERY_EPS, GELU, KERNEL, PATCH, SHIFT, USUAL_EPS
from convert.key_formats.rules import KeyFormat, Reshape, Rule

STAGES = range(4)
PATCH_STEM = range(2)  # a convolution and a norm: all that any library but timm can build


def _prefixed(prefix: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(rule.official, prefix + rule.theirs, rule.reshape) for rule in rules)


_OFFICIAL = (
    "downsample_layers.{i}.{k}.{p}",
    "stages.{i}.{j}.gamma",
    "stages.{i}.{j}.dwconv.{p}",
    "stages.{i}.{j}.norm.{p}",
    "stages.{i}.{j}.pwconv{k}.{p}",
    "stages.{i}.{j}.grn.gamma",
    "stages.{i}.{j}.grn.beta",
    "norm.{p}",
    "norm_pre.{p}",
    "pre_logits.{p}",
    "head.{p}",
)

_RESHAPED = {"stages.{i}.{j}.grn.gamma": Reshape.GRN, "stages.{i}.{j}.grn.beta": Reshape.GRN}
_MARKER = "stages.{i}.{j}.dwconv.weight"
_V2_OF_PADDLECLAS = "head.norm.weight"  # stands with the marker in no other library's file

OFFICIAL = KeyFormat(
    "official",
    _MARKER,
    tuple(Rule(name, name, _RESHAPED.get(name, Reshape.NONE)) for name in _OFFICIAL),
    foreign=_V2_OF_PADDLECLAS,
    left_out=("projectors.",),  # of models that were distilled from several
    aliases=(Rule("norm.{p}", "norms.3.{p}"),),
)

_TIMM_TRUNK = (
    Rule("downsample_layers.0.{k}.{p}", "stem.{k}.{p}"),
    *(Rule(f"downsample_layers.{i}.{{k}}.{{p}}", f"stages.{i}.downsample.{{k}}.{{p}}") for i in STAGES[1:]),
    Rule("stages.{i}.{j}.gamma", "stages.{i}.blocks.{j}.gamma"),
    Rule("stages.{i}.{j}.dwconv.{p}", "stages.{i}.blocks.{j}.conv_dw.{p}"),
    Rule("stages.{i}.{j}.norm.{p}", "stages.{i}.blocks.{j}.norm.{p}"),
    Rule("stages.{i}.{j}.pwconv{k}.weight", "stages.{i}.blocks.{j}.mlp.fc{k}.weight", Reshape.CONV1X1),
    Rule("stages.{i}.{j}.pwconv{k}.bias", "stages.{i}.blocks.{j}.mlp.fc{k}.bias"),
    Rule("stages.{i}.{j}.grn.gamma", "stages.{i}.blocks.{j}.mlp.grn.weight", Reshape.GRN),
    Rule("stages.{i}.{j}.grn.beta", "stages.{i}.blocks.{j}.mlp.grn.bias", Reshape.GRN),
    Rule("norm.{p}", "head.norm.{p}"),
    Rule("norm_pre.{p}", "norm_pre.{p}"),
)

TIMM = KeyFormat(
    "timm",
    "stages.{i}.blocks.{j}.conv_dw.weight",
    (*_TIMM_TRUNK, Rule("pre_logits.{p}", "head.pre_logits.fc.{p}"), Rule("head.{p}", "head.fc.{p}")),
)

# `features_only=True`: stem and stages are modules of one list, and there is no last norm.
TIMM_FEATURES = KeyFormat(
    "timm",
    "stages_{i}.blocks.{j}.conv_dw.weight",
    tuple(
        replace(rule, theirs=rule.theirs.replace("stem.", "stem_").replace("stages.", "stages_"))
        for rule in _TIMM_TRUNK
    ),
)


def _openclip(prefix: str) -> tuple[Rule, ...]:
    projection = (
        Rule("head.{p}", "head.proj.{p}"),
        Rule("pre_logits.{p}", "head.mlp.fc1.{p}"),
        Rule("head.{p}", "head.mlp.fc2.{p}"),
    )
    return _prefixed(prefix, (*_prefixed("trunk.", _TIMM_TRUNK), *projection))


OPENCLIP = KeyFormat(
    "openclip",
    "visual.trunk.stages.{i}.blocks.{j}.conv_dw.weight",
    _openclip("visual."),
    left_out=(  # the text tower
        "transformer.",
        "token_embedding.",
        "ln_final.",
        "text.",
        "positional_embedding",
        "text_projection",
        "logit_scale",
        "logit_bias",
        "attn_mask",
    ),
    without_bias=("head",),
)
# The visual tower alone.
OPENCLIP_VISUAL = KeyFormat(
    "openclip", "trunk.stages.{i}.blocks.{j}.conv_dw.weight", _openclip(""), without_bias=("head",)
)

TORCHVISION = KeyFormat(
    "torchvision",
    "features.{i}.{j}.block.0.weight",
    (
        *(Rule(f"downsample_layers.0.{k}.{{p}}", f"features.0.{k}.{{p}}") for k in PATCH_STEM),
        *(Rule(f"downsample_layers.{i}.{{k}}.{{p}}", f"features.{2 * i}.{{k}}.{{p}}") for i in STAGES[1:]),
        *(
            Rule(f"stages.{i}.{{j}}.{ours}", f"features.{2 * i + 1}.{{j}}.{theirs}", reshape)
            for i in STAGES
            for ours, theirs, reshape in (
                ("gamma", "layer_scale", Reshape.SCALE),
                ("dwconv.{p}", "block.0.{p}", Reshape.NONE),
                ("norm.{p}", "block.2.{p}", Reshape.NONE),
                ("pwconv1.{p}", "block.3.{p}", Reshape.NONE),
                ("pwconv2.{p}", "block.5.{p}", Reshape.NONE),
            )
        ),
        Rule("norm.{p}", "classifier.0.{p}"),
        Rule("head.{p}", "classifier.2.{p}"),
    ),
    limits=(SHIFT, CHANNELS, GELU, KERNEL, PATCH),
    usual_eps=USUAL_EPS,
)


def _transformers(prefix: str) -> tuple[Rule, ...]:
    return _prefixed(
        prefix,
        (
            Rule("downsample_layers.0.0.{p}", "embeddings.patch_embeddings.{p}"),
            Rule("downsample_layers.0.1.{p}", "embeddings.layernorm.{p}"),
            *(
                Rule(f"downsample_layers.{i}.{{k}}.{{p}}", f"encoder.stages.{i}.downsampling_layer.{{k}}.{{p}}")
                for i in STAGES[1:]
            ),
            *(
                Rule(f"stages.{{i}}.{{j}}.{ours}", f"encoder.stages.{{i}}.layers.{{j}}.{theirs}")
                for ours, theirs in (
                    ("gamma", "layer_scale_parameter"),
                    ("dwconv.{p}", "dwconv.{p}"),
                    ("norm.{p}", "layernorm.{p}"),
                    ("pwconv{k}.{p}", "pwconv{k}.{p}"),
                    ("grn.gamma", "grn.weight"),
                    ("grn.beta", "grn.bias"),
                )
            ),
            Rule("norm.{p}", "layernorm.{p}"),
        ),
    )


_TRANSFORMERS_MARKER = "encoder.stages.{i}.layers.{j}.dwconv.weight"
_CLASSIFIER = Rule("head.{p}", "classifier.{p}")

TRANSFORMERS = KeyFormat(
    "transformers",
    f"convnext.{_TRANSFORMERS_MARKER}",
    (*_transformers("convnext."), _CLASSIFIER),
    limits=(SHIFT, GELU, EPS, KERNEL),
)
TRANSFORMERS_V2 = KeyFormat(
    "transformers",
    f"convnextv2.{_TRANSFORMERS_MARKER}",
    (*_transformers("convnextv2."), _CLASSIFIER),
    limits=(SHIFT, GELU, EPS, KERNEL),
)
# ConvNextModel and ConvNextV2Model: the same without a classifier and without the prefix that it brings. The backbones
# have norms of their feature maps in place of the last one.
TRANSFORMERS_MODEL = KeyFormat(
    "transformers", _TRANSFORMERS_MARKER, _transformers(""), left_out=("hidden_states_norms.",)
)


def _dinov3(prefix: str) -> KeyFormat:
    trunk = (
        Rule("downsample_layers.{i}.{k}.{p}", "stages.{i}.downsample_layers.{k}.{p}"),
        Rule("stages.{i}.{j}.gamma", "stages.{i}.layers.{j}.gamma"),
        Rule("stages.{i}.{j}.dwconv.{p}", "stages.{i}.layers.{j}.depthwise_conv.{p}"),
        Rule("stages.{i}.{j}.norm.{p}", "stages.{i}.layers.{j}.layer_norm.{p}"),
        Rule("stages.{i}.{j}.pwconv{k}.{p}", "stages.{i}.layers.{j}.pointwise_conv{k}.{p}"),
    )
    rules = (*_prefixed(prefix, trunk), Rule("norm.{p}", "layer_norm.{p}"))
    return KeyFormat("transformers DINOv3", f"{prefix}stages.{{i}}.layers.{{j}}.depthwise_conv.weight", rules)


DINOV3 = _dinov3("")
DINOV3_IN_MEMORY = _dinov3("model.")  # as state_dict() has it; save_pretrained() takes the prefix off

_MMPRETRAIN_TRUNK = (
    *(Rule(f"downsample_layers.{{i}}.{k}.{{p}}", f"downsample_layers.{{i}}.{k}.{{p}}") for k in PATCH_STEM),
    Rule("stages.{i}.{j}.gamma", "stages.{i}.{j}.gamma"),
    Rule("stages.{i}.{j}.dwconv.{p}", "stages.{i}.{j}.depthwise_conv.{p}"),
    Rule("stages.{i}.{j}.norm.{p}", "stages.{i}.{j}.norm.{p}"),
    Rule("stages.{i}.{j}.pwconv{k}.weight", "stages.{i}.{j}.pointwise_conv{k}.weight", Reshape.CONV1X1),
    Rule("stages.{i}.{j}.pwconv{k}.bias", "stages.{i}.{j}.pointwise_conv{k}.bias"),
    Rule("stages.{i}.{j}.grn.gamma", "stages.{i}.{j}.grn.gamma", Reshape.GRN),
    Rule("stages.{i}.{j}.grn.beta", "stages.{i}.{j}.grn.beta", Reshape.GRN),
    Rule("norm.{p}", "norm3.{p}"),
)

MMPRETRAIN = KeyFormat(
    "mmpretrain",
    "backbone.stages.{i}.{j}.depthwise_conv.weight",
    (*_prefixed("backbone.", _MMPRETRAIN_TRUNK), Rule("head.{p}", "head.fc.{p}")),
    limits=(SHIFT, GELU, KERNEL),
    usual_eps=USUAL_EPS,
)

_PADDLECLAS_TRUNK = (
    *(Rule(f"downsample_layers.{{i}}.{k}.{{p}}", f"downsample_layers.{{i}}.{k}.{{p}}") for k in PATCH_STEM),
    Rule("stages.{i}.{j}.dwconv.{p}", "stages.{i}.{j}.dwconv.{p}"),
    Rule("stages.{i}.{j}.norm.{p}", "stages.{i}.{j}.norm.{p}"),
    Rule("stages.{i}.{j}.pwconv{k}.weight", "stages.{i}.{j}.pwconv{k}.weight", Reshape.CONV1X1_OF_PADDLE),
    Rule("stages.{i}.{j}.pwconv{k}.bias", "stages.{i}.{j}.pwconv{k}.bias"),
)

# What is written for it; read, it is `official`.
PADDLECLAS_V1 = KeyFormat(
    "paddleclas",
    _MARKER,
    (
        *_PADDLECLAS_TRUNK,
        Rule("stages.{i}.{j}.gamma", "stages.{i}.{j}.gamma"),
        Rule("norm.{p}", "norm.{p}"),
        Rule("head.{p}", "head.{p}"),
    ),
    framework=PADDLE,
    limits=(SHIFT, GELU, EVERY_EPS, KERNEL, PATCH),
)
PADDLECLAS_V2 = KeyFormat(
    "paddleclas",
    _MARKER,
    (
        *_PADDLECLAS_TRUNK,
        Rule("stages.{i}.{j}.grn.gamma", "stages.{i}.{j}.grn.gamma", Reshape.GRN),
        Rule("stages.{i}.{j}.grn.beta", "stages.{i}.{j}.grn.beta", Reshape.GRN),
        Rule("norm.{p}", "head.norm.{p}"),
        Rule("head.{p}", "head.fc.{p}"),
    ),
    second=_V2_OF_PADDLECLAS,
    framework=PADDLE,
    limits=(SHIFT, GELU, EVERY_EPS, KERNEL, PATCH),
)

KEY_FORMATS = (
    OFFICIAL,
    TIMM,
    TIMM_FEATURES,
    TORCHVISION,
    TRANSFORMERS,
    TRANSFORMERS_V2,
    TRANSFORMERS_MODEL,
    DINOV3,
    DINOV3_IN_MEMORY,
    MMPRETRAIN,
    PADDLECLAS_V2,
    OPENCLIP,
    OPENCLIP_VISUAL,
)


def formats_to_write(spec: ConvNeXtSpec) -> dict[str, KeyFormat]:
    """For each target the format that the library's own files of that architecture have."""
    return {
        "official": OFFICIAL.without(Reshape.GRN),
        "timm": TIMM if spec.conv_mlp else TIMM.without(Reshape.CONV1X1),
        "torchvision": TORCHVISION,
        "transformers": TRANSFORMERS_V2 if spec.grn else TRANSFORMERS,
        "mmpretrain": MMPRETRAIN.without(Reshape.CONV1X1),
        "paddleclas": _paddleclas(spec),
        "openclip": OPENCLIP,
    }


def _paddleclas(spec: ConvNeXtSpec) -> KeyFormat:
    if not spec.grn:
        return PADDLECLAS_V1.without(Reshape.CONV1X1_OF_PADDLE)
    return PADDLECLAS_V2 if spec.conv_mlp else PADDLECLAS_V2.without(Reshape.CONV1X1_OF_PADDLE)
