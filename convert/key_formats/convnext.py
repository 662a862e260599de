"""The libraries' names of ConvNeXt's and ConvNeXt V2's tensors, a rule a kind of tensor, and what they cannot build.

official       models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce
timm           timm/models/convnext.py of https://github.com/huggingface/pytorch-image-models at v1.0.31
torchvision    torchvision/models/convnext.py of https://github.com/pytorch/vision at v0.29.2
transformers   models/convnext, models/convnextv2 of https://github.com/huggingface/transformers at v5.23.0
mmpretrain     tools/model_converters/convnext_to_mmpretrain.py of https://github.com/open-mmlab/mmpretrain at ee7f2e8
paddleclas     ppcls/arch/backbone/model_zoo/convnext.py of https://github.com/PaddlePaddle/PaddleClas at 87452a4
openclip       timm's names under `visual.trunk.`: timm's own `checkpoint_filter_fn`, as above

What they cannot build, although they have a name for every tensor; none of the four has a norm without a shift:
torchvision    three input channels, written out. Its eps is 1e-6 unless `block` and `norm_layer` say another.
transformers   the eps of every norm but the last is 1e-6, written out; `layer_norm_eps` is the last one's alone.
mmpretrain     eps and channels as its config says.
paddleclas     eps and the exact GELU are written out. Its ConvNeXt has the official names; its ConvNeXtV2 has its own.
"""

from __future__ import annotations

from convert.archs.convnext import ConvNeXtSpec
from convert.archs.spec import Norm
from convert.frameworks import PADDLE
from convert.key_formats.rules import KeyFormat, Limit, Reshape, Rule

STAGES = range(4)
PATCH_STEM = range(2)  # a convolution and a norm: all that any library but timm can build
USUAL_EPS = 1e-6  # of the authors' norms, and of every library's unless it is told another

SHIFT = Limit("norm without a shift", lambda spec: spec.norm is not Norm.LAYER)
EPS = Limit("eps but 1e-06 in its inner norms", lambda spec: spec.eps != USUAL_EPS)
EVERY_EPS = Limit("eps but 1e-06", lambda spec: spec.eps != USUAL_EPS)
CHANNELS = Limit("image but one of 3 channels", lambda spec: spec.in_chans != 3)
GELU = Limit("GELU but the exact one", lambda spec: spec.gelu_tanh)


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

_MARKER = "stages.{i}.{j}.dwconv.weight"
_V2_OF_PADDLECLAS = "head.norm.weight"  # stands with the marker in no other library's file

OFFICIAL = KeyFormat(
    "official",
    _MARKER,
    tuple(Rule(name, name) for name in _OFFICIAL),
    foreign=_V2_OF_PADDLECLAS,
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

OPENCLIP = KeyFormat(
    "openclip",
    "visual.trunk.stages.{i}.blocks.{j}.conv_dw.weight",
    _prefixed("visual.trunk.", _TIMM_TRUNK),
    # The projection into CLIP's space and the text tower: no part of a ConvNeXt.
    left_out=(
        "visual.head.",
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
    limits=(SHIFT, CHANNELS),
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
    limits=(SHIFT, EPS),
)
TRANSFORMERS_V2 = KeyFormat(
    "transformers",
    f"convnextv2.{_TRANSFORMERS_MARKER}",
    (*_transformers("convnextv2."), _CLASSIFIER),
    limits=(SHIFT, EPS),
)
# ConvNextModel and ConvNextV2Model: the same without a classifier and without the prefix that it brings.
TRANSFORMERS_MODEL = KeyFormat("transformers", _TRANSFORMERS_MARKER, _transformers(""))

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
    limits=(SHIFT,),
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
    limits=(SHIFT, EVERY_EPS, GELU),
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
    limits=(SHIFT, EVERY_EPS, GELU),
)

KEY_FORMATS = (
    OFFICIAL,
    TIMM,
    TORCHVISION,
    TRANSFORMERS,
    TRANSFORMERS_V2,
    TRANSFORMERS_MODEL,
    MMPRETRAIN,
    PADDLECLAS_V2,
    OPENCLIP,
)


def formats_to_write(spec: ConvNeXtSpec) -> dict[str, KeyFormat]:
    """For each target the format that the library's own files of that architecture have."""
    return {
        "official": OFFICIAL,
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
