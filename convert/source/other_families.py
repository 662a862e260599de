"""Networks that are converted by nobody here, named as near as their keys and shapes tell.

A row has a key that every state dict of the network has and no other's has, as its library names it: torchvision at
v0.29.2, timm at v1.0.31, transformers at v5.24.0, PaddleClas at v2.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from convert.params import Shape

Shapes = Mapping[str, Shape]

LONGEST = 200  # characters of a key that is looked at
SAMPLE = 2_000  # keys that are

RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "18",
    (False, (3, 4, 6, 3)): "34",
    (True, (2, 2, 2, 2)): "26",
    (True, (3, 4, 6, 3)): "50",
    (True, (3, 4, 23, 3)): "101",
    (True, (3, 8, 36, 3)): "152",
}
DENSENETS: dict[tuple[int, ...], str] = {
    (6, 12, 24, 16): "121",
    (6, 12, 36, 24): "161",
    (6, 12, 32, 32): "169",
    (6, 12, 48, 32): "201",
}
VGGS = {8: "11", 10: "13", 13: "16", 16: "19"}
VITS = {192: "Ti", 384: "S", 768: "B", 1024: "L", 1280: "H", 1408: "g", 1536: "g"}
SWINS = {(96, 6): "T", (96, 18): "S", (128, 18): "B", (192, 18): "L"}


def _resnet(shapes: Shapes) -> str:
    blocks = tuple(_count(shapes, rf"layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4))
    depth = RESNETS.get(("layer1.0.conv3.weight" in shapes, blocks), "")
    number = f"-{depth}" if depth else f" of {sum(blocks)} blocks"
    conv = shapes.get("layer1.0.conv2.weight", ())
    if "layer1.0.conv3.weight" not in shapes or len(conv) != 4 or not conv[1] or conv[0] % conv[1]:
        return f"ResNet{number}"
    width, groups = conv[0], conv[0] // conv[1]
    if groups > 1:
        return f"ResNeXt{number} {groups}x{width // groups}d"
    return f"Wide ResNet{number}-{width // 64}" if width > 64 else f"ResNet{number}"


def _no_resnext(shapes: Shapes) -> str:
    """The name of a network of ResNet's keys; "" of a ResNeXt, which has a table of its own."""
    name = _resnet(shapes)
    return "" if name.startswith("ResNeXt") else name


def _densenet(shapes: Shapes) -> str:
    blocks = tuple(_count(shapes, rf"features\.denseblock{stage}\.denselayer(\d+)\.") for stage in (1, 2, 3, 4))
    return f"DenseNet-{DENSENETS[blocks]}" if blocks in DENSENETS else "DenseNet"


def _vgg(shapes: Shapes) -> str:
    if shapes.get("features.0.weight", ())[-1:] == (11,):
        return "AlexNet"
    layers = sum(len(shape) == 4 for name, shape in shapes.items() if re.fullmatch(r"features\.\d+\.weight", name))
    return f"VGG-{VGGS[layers]}" if layers in VGGS else "VGG"


def _vit(shapes: Shapes) -> str:
    kernel = shapes.get("patch_embed.proj.weight", ())
    if len(kernel) != 4:
        return "vision transformer"
    return f"vision transformer (ViT-{VITS.get(kernel[0], kernel[0])}/{kernel[-1]})"


def _swin(shapes: Shapes) -> str:
    width = shapes.get("patch_embed.proj.weight", (0,))[0]
    size = SWINS.get((width, _count(shapes, r"layers\.2\.blocks\.(\d+)\.")))
    return f"Swin transformer (Swin-{size})" if size else "Swin transformer"


def _count(shapes: Shapes, pattern: str) -> int:
    """How many different numbers stand in that place of the keys."""
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})


@dataclass(frozen=True)
class Family:
    """One network, or all of a kind.

    Attributes:
        marker: pattern of the key that tells it, without what may stand before.
        name: of the kind, or what tells it from the shapes of the keys that have the same prefix.
        library: whose names these are; "" where several share them.
    """

    marker: str
    name: str | Callable[[Shapes], str]
    library: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"((?:.*\.)?){self.marker}")

    def describe(self, shapes: Shapes, prefix: str) -> str:
        """The network's name, with its library."""
        behind = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        name = self.name if isinstance(self.name, str) else self.name(behind)
        library = "paddle.vision" if self.library == "torchvision" and _is_paddles(behind) else self.library
        return f"{name} of {library}" if library and name else name


def _is_paddles(shapes: Shapes) -> bool:
    return any(name.endswith("._mean") for name in shapes)


TORCHVISION, TIMM, TRANSFORMERS, PADDLECLAS = "torchvision", "timm", "transformers", "PaddleClas"

# Those with the longer marker first, where one is a part of another.
FAMILIES = (
    Family(r"lora_A(\.\w+)?\.weight", "LoRA adapter without the model that it belongs to"),
    Family(r"stage2\.0\.branches\.0\.0\.conv1\.weight", "HRNet", TIMM),
    Family(r"layer1\.0\.se\.fc1\.weight", lambda shapes: f"SE-{_resnet(shapes)}", TIMM),
    Family(r"stage2\.0\.branch1\.0\.weight", "ShuffleNetV2", TORCHVISION),
    Family(r"conv1\.0\.weight", lambda shapes: f"{_resnet(shapes)} with a deep stem", TIMM),
    Family(r"stages\.0\.0\.conv1_1x1\.conv\.weight", "ResNeXt-TS or another ByobNet", TIMM),
    Family(r"layer1\.0\.conv1\.weight", _no_resnext, TORCHVISION),
    Family(r"encoder\.stages\.0\.layers\.0\.layer\.0\.convolution\.weight", "ResNet", TRANSFORMERS),
    Family(r"blocks\.0\.conv0\.conv\.weight", "ResNet", PADDLECLAS),
    Family(r"blocks2\.0\.dw_conv\.conv\.weight", "PP-LCNet", PADDLECLAS),
    Family(r"features\.denseblock1\.denselayer1\.conv1\.weight", _densenet, TORCHVISION),
    Family(r"features\.1\.0\.block\.0\.0\.weight", "EfficientNet", TORCHVISION),
    Family(r"features\.1\.conv\.0\.0\.weight", "MobileNetV2", TORCHVISION),
    Family(r"features\.1\.block\.0\.0\.weight", "MobileNetV3", TORCHVISION),
    Family(r"features\.1\.0\.attn\.(relative_position_bias_table|cpb_mlp\.0\.weight)", "Swin transformer", TORCHVISION),
    Family(r"features\.3\.squeeze\.weight", "SqueezeNet", TORCHVISION),
    Family(r"trunk_output\.block1\.block1-0\.proj\.0\.weight", "RegNet", TORCHVISION),
    Family(r"inception3a\.branch1\.conv\.weight", "GoogLeNet", TORCHVISION),
    Family(r"Mixed_5b\.branch1x1\.conv\.weight", "Inception-v3", TORCHVISION),
    Family(r"encoder\.layers\.encoder_layer_0\.self_attention\.in_proj_weight", "vision transformer", TORCHVISION),
    Family(r"classifier\.6\.weight", _vgg, TORCHVISION),
    Family(r"layers\.0\.blocks\.0\.attn\.(relative_position_bias_table|cpb_mlp\.0\.weight)", _swin, TIMM),
    Family(r"blocks\.0\.attn\.qkv\.weight", _vit, TIMM),
    Family(r"s1\.b1\.conv1\.conv\.weight", "RegNet", TIMM),
    Family(r"conv_stem\.weight", "EfficientNet or MobileNet", TIMM),
    Family(r"_conv_stem\.weight", "EfficientNet", "EfficientNet-PyTorch"),
    Family(r"stages\.0\.blocks\.0\.token_mixer\.\S+", "MetaFormer", TIMM),
    Family(r"visual\.transformer\.resblocks\.0\.attn\.in_proj_weight", "CLIP with a vision transformer", "OpenCLIP"),
    Family(r"encoder\.layers\.0\.blocks\.0\.attention\.\S+", "Swin transformer", TRANSFORMERS),
    Family(r"embeddings\.patch_embeddings\.projection\.weight", "vision transformer", TRANSFORMERS),
    Family(r"embeddings\.word_embeddings\.weight", "BERT or a kin of it", TRANSFORMERS),
    Family(r"wte\.weight", "GPT", TRANSFORMERS),
    Family(r"layers\.0\.self_attn\.q_proj\.weight", "language model or other transformer", TRANSFORMERS),
    Family(r"diffusion_model\.input_blocks\.0\.0\.weight", "Stable Diffusion"),
    Family(r"down_blocks\.0\.resnets\.0\.conv1\.weight", "U-Net", "diffusers"),
    Family(r"model\.0\.conv\.weight", "YOLO", "Ultralytics"),
)


def name_family(shapes: Shapes) -> str:
    """The network that these are the tensors of, "ResNeXt-50 32x4d of torchvision"; "" of none that is known."""
    looked_at = {name: shapes[name] for name in list(shapes)[:SAMPLE] if len(name) <= LONGEST}
    for family in FAMILIES:
        match = next(filter(None, map(family.pattern.fullmatch, looked_at)), None)
        if match:
            return family.describe(looked_at, match[1])
    return ""
