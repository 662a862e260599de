"""The libraries' names of ResNeXt's tensors, a rule a kind of tensor.

official        torchvision/models/resnet.py of https://github.com/pytorch/vision at v0.29.2; timm's are the same, and
                paddle.vision's but for the statistics (python/paddle/vision/models/resnet.py of
                https://github.com/PaddlePaddle/Paddle at v3.3.1)
paddleclas      ppcls/arch/backbone/model_zoo/resnext.py of https://github.com/PaddlePaddle/PaddleClas at 87452a4
paddleclas_wsl  ppcls/arch/backbone/model_zoo/resnext101_wsl.py, as above
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from convert.archs.resnext import ResNeXtSpec
from convert.frameworks import PADDLE
from convert.key_formats.limits import CHANNELS
from convert.key_formats.rules import KeyFormat, Rule

LAYERS = range(1, 5)
CONVS = range(1, 4)
NORM = ("{p}", "_mean", "_variance")  # a batch norm's tensors in Paddle

_OFFICIAL = (
    "conv1.weight",
    "bn1.{b}",
    *(f"layer{{i}}.{{j}}.conv{k}.weight" for k in CONVS),
    *(f"layer{{i}}.{{j}}.bn{k}.{{b}}" for k in CONVS),
    "layer{i}.{j}.downsample.0.weight",
    "layer{i}.{j}.downsample.1.{b}",
    "fc.{p}",
)

OFFICIAL = KeyFormat("official ResNeXt", "layer{i}.{j}.conv3.weight", tuple(Rule(name, name) for name in _OFFICIAL))
TORCHVISION = replace(OFFICIAL, name="torchvision", limits=(CHANNELS,))


def _conv_and_norm(conv: str, norm: str, theirs: str, theirs_norm: str) -> Iterator[Rule]:
    yield Rule(f"{conv}.weight", f"{theirs}.weight")
    for tensor in NORM:
        yield Rule(f"{norm}.{tensor}", f"{theirs_norm}.{tensor}")


def _paddleclas() -> Iterator[Rule]:
    yield from _conv_and_norm("conv1", "bn1", "conv._conv", "conv._batch_norm")
    for i in LAYERS:
        ours, theirs = f"layer{i}.{{j}}", f"bb_{i - 1}_{{j}}"
        for k in CONVS:
            part = f"{theirs}.conv{k - 1}"
            yield from _conv_and_norm(f"{ours}.conv{k}", f"{ours}.bn{k}", f"{part}._conv", f"{part}._batch_norm")
        part = f"{theirs}.short"
        yield from _conv_and_norm(
            f"{ours}.downsample.0", f"{ours}.downsample.1", f"{part}._conv", f"{part}._batch_norm"
        )
    yield Rule("fc.{p}", "out.{p}")


def _paddleclas_wsl() -> Iterator[Rule]:
    yield from _conv_and_norm("conv1", "bn1", "_conv_stem._conv", "_conv_stem._bn")
    for i in LAYERS:
        ours, theirs = f"layer{i}.{{j}}", f"_conv{i}_{{j}}"
        for k in CONVS:
            part = f"{theirs}._conv{k - 1}"
            yield from _conv_and_norm(f"{ours}.conv{k}", f"{ours}.bn{k}", f"{part}._conv", f"{part}._bn")
        part = f"{theirs}._short"
        yield from _conv_and_norm(f"{ours}.downsample.0", f"{ours}.downsample.1", f"{part}._conv", f"{part}._bn")
    yield Rule("fc.{p}", "_out.{p}")


PADDLECLAS = KeyFormat("paddleclas", "bb_{i}_{j}.conv0._conv.weight", tuple(_paddleclas()), framework=PADDLE)
PADDLECLAS_WSL = KeyFormat(
    "paddleclas_wsl", "_conv{i}_{j}._conv0._conv.weight", tuple(_paddleclas_wsl()), framework=PADDLE
)

KEY_FORMATS = (OFFICIAL, PADDLECLAS, PADDLECLAS_WSL)


def formats_to_write(spec: ResNeXtSpec) -> dict[str, KeyFormat]:  # noqa: ARG001 - as every family's
    """For each target the format that the library's own files have, whatever the variant."""
    return {
        "official": OFFICIAL,
        "timm": OFFICIAL,
        "torchvision": TORCHVISION,
        "paddleclas": PADDLECLAS,
        "paddleclas_wsl": PADDLECLAS_WSL,
    }
