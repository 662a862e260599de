"""The names of RepLKNet's tensors in the authors' code and in two ports.

official       replknet.py of https://github.com/DingXiaoH/RepLKNet-pytorch at b76808a; merged files too
mmpretrain     mmpretrain/models/backbones/replknet.py of https://github.com/open-mmlab/mmpretrain at 9fe593e
paddlevit      image_classification/RepLKNet/replknet.py of https://github.com/BR-IDL/PaddleViT at 772bb2a
"""

from __future__ import annotations

from convert.archs.replknet import RepLKNetSpec
from convert.frameworks import PADDLE
from convert.key_formats.rules import KeyFormat, Rule

_BLOCK = "stages.{i}.blocks.{j}."
_CONVOLUTIONS = (
    "stem.{i}.",
    f"{_BLOCK}pw{{k}}.",
    f"{_BLOCK}large_kernel.lkb_origin.",
    f"{_BLOCK}large_kernel.small_conv.",
    "transitions.{i}.{j}.",
)
_TRUNK = (
    *(f"{name}conv.weight" for name in _CONVOLUTIONS),
    *(f"{name}bn.{{b}}" for name in _CONVOLUTIONS),
    f"{_BLOCK}large_kernel.lkb_reparam.{{p}}",
    f"{_BLOCK}prelkb_bn.{{b}}",
    f"{_BLOCK}preffn_bn.{{b}}",
)
_LAST_NORM_OF_MMPRETRAIN = "stages.3.norm.weight"  # stands with the marker in no other library's file

OFFICIAL = KeyFormat(
    "official RepLKNet",
    f"{_BLOCK}prelkb_bn.weight",
    tuple(Rule(name, name) for name in (*_TRUNK, "norm.{b}", "head.{p}")),
    foreign=_LAST_NORM_OF_MMPRETRAIN,
)


def _mmpretrain(prefix: str, *head: Rule) -> KeyFormat:
    trunk = (Rule(name, prefix + name) for name in _TRUNK)
    return KeyFormat(
        "mmpretrain",
        f"{prefix}{_BLOCK}prelkb_bn.weight",
        (*trunk, Rule("norm.{b}", f"{prefix}stages.3.norm.{{b}}"), *head),
        second=prefix + _LAST_NORM_OF_MMPRETRAIN,
    )


MMPRETRAIN = _mmpretrain("backbone.", Rule("head.{p}", "head.fc.{p}"))
MMPRETRAIN_BACKBONE = _mmpretrain("")

_PADDLEVIT_WORDS = {
    ".bn.": ".norm.",
    ".pw{k}.": ".pw_conv_{k}.",
    "lkb_origin": "large_kernel_origin",
    "small_conv": "small_kernel_conv",
    "lkb_reparam": "large_kernel_reparam",
    "prelkb_bn": "pre_large_kernel_bn",
    "preffn_bn": "pre_ffn_bn",
}


def _paddlevit(name: str) -> str:
    for official, theirs in _PADDLEVIT_WORDS.items():
        name = name.replace(official, theirs)
    return name


PADDLEVIT = KeyFormat(
    "paddlevit",
    _paddlevit(f"{_BLOCK}prelkb_bn.weight"),
    tuple(Rule(name, _paddlevit(name)) for name in (*_TRUNK, "norm.{b}", "head.{p}")),
    framework=PADDLE,
)

KEY_FORMATS = (OFFICIAL, MMPRETRAIN, MMPRETRAIN_BACKBONE, PADDLEVIT)


def formats_to_write(spec: RepLKNetSpec) -> dict[str, KeyFormat]:  # noqa: ARG001 - as every family's
    """For each target its one format, whatever the variant, merged or not."""
    return {"official": OFFICIAL, "mmpretrain": MMPRETRAIN, "paddlevit": PADDLEVIT}
