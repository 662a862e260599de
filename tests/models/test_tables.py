"""Three statements of one fact: the parameter table, the PyTorch model and the Paddle model; and the papers' counts."""

from __future__ import annotations

import dataclasses

import paddle
import pytest
import torch
from twins import FAMILIES, GRAY, TINY

from convert.archs import ARCHS, ArchSpec
from convert.params import COUNTER, STATISTICS, Shape, parameter_count
from convert.state_dict import expected_shapes
from models_paddle.building import MODELS as PADDLE_MODELS
from models_torch.building import MODELS
from verify.selftest.weights import distinct_weights

# Counts as timm 1.0.31 builds them at 1000 classes; those of the papers in millions: table 9 of
# https://arxiv.org/abs/2201.03545 and table 11 of https://arxiv.org/abs/2301.00808.
# By hand: a block has 8 d^2 + 58 d, so convnext_digits has blocks 4360 + 15120 + 3 * 55840 + 214080, stem 1020, between
# the stages 3280 + 12960 + 51520, norm 320, head 1610; an isotropic one (8 d^2 + 57 d) n, stem 769 d, norm 2 d, head
# 1000 d + 1000. ResNeXt: torchvision 0.29.2's `ResNet(Bottleneck, depths, groups=..., width_per_group=...)`.
PARAMETER_COUNTS = {
    "convnext_zepto_rms": 2_155_656,
    "convnext_zepto_rms_ols": 2_164_232,
    "convnext_atto": 3_695_520,
    "convnext_atto_ols": 3_702_912,
    "convnext_atto_rms": 3_693_040,
    "convnext_femto": 5_217_784,
    "convnext_femto_ols": 5_226_520,
    "convnext_pico": 9_045_672,
    "convnext_pico_ols": 9_061_928,
    "convnext_nano": 15_593_560,
    "convnext_nano_ols": 15_649_560,
    "convnext_tiny": 28_589_128,
    "convnext_tiny_hnf": 28_589_128,
    "convnext_small": 50_223_688,
    "convnext_base": 88_591_464,
    "convnext_large": 197_767_336,
    "convnext_large_mlp": 200_128_168,
    "convnext_xlarge": 350_196_968,
    "convnext_xxlarge": 846_471_016,
    "convnextv2_atto": 3_708_400,
    "convnextv2_femto": 5_233_240,
    "convnextv2_pico": 9_066_280,
    "convnextv2_nano": 15_623_800,
    "convnextv2_tiny": 28_635_496,
    "convnextv2_small": 50_318_440,
    "convnextv2_base": 88_717_800,
    "convnextv2_large": 197_956_840,
    "convnextv2_huge": 660_289_640,
    "test_convnext": (8 * 24**2 + 58 * 24)
    + 2 * (8 * 32**2 + 58 * 32)
    + 4 * (8 * 48**2 + 58 * 48)
    + 2 * (8 * 64**2 + 58 * 64)
    + 51 * 24
    + (48 + 96 * 32 + 32)
    + (64 + 128 * 48 + 48)
    + (96 + 192 * 64 + 64)
    + 128
    + 65_000,
    "test_convnext2": sum(8 * d**2 + 58 * d for d in (32, 64, 96, 128))
    + 51 * 32
    + (64 + 128 * 64 + 64)
    + (128 + 256 * 96 + 96)
    + (192 + 384 * 128 + 128)
    + 256
    + 129_000,
    "convnext_digits": 471_790,
    "convnext_isotropic_small": (8 * 384**2 + 57 * 384) * 18 + (769 + 2 + 1000) * 384 + 1000,
    "convnext_isotropic_base": (8 * 768**2 + 57 * 768) * 18 + (769 + 2 + 1000) * 768 + 1000,
    "convnext_isotropic_large": (8 * 1024**2 + 57 * 1024) * 36 + (769 + 2 + 1000) * 1024 + 1000,
    "resnext50_32x4d": 25_028_904,
    "resnext50_64x4d": 45_192_488,
    "resnext101_32x4d": 44_177_704,
    "resnext101_64x4d": 83_455_272,
    "resnext101_32x8d": 88_791_336,
    "resnext101_32x16d": 194_026_792,
    "resnext101_32x32d": 468_530_472,
    "resnext101_32x48d": 828_411_176,
    "resnext152_32x4d": 59_951_400,
    "resnext152_64x4d": 114_971_944,
    "resnext50_blog": 37_574_724 + 996 * 2049,  # as its code has it at 4 classes
    # 79 M, 172 M and 335 M in https://arxiv.org/abs/2203.06717; to the last one as the authors' code has them.
    "replknet_31b": 79_864_168,
    "replknet_31l": 172_671_016,
    "replknet_xl": 335_435_752,
}
# At 21,841 classes, and merged at 1000.
REPLKNETS = {
    "replknet_31b": (101_226_193, 79_527_272),
    "replknet_31l": (204_703_633, 172_165_672),
    "replknet_xl": (378_138_961, 335_399_656),
}

SPECS = {
    **ARCHS,
    **{spec.name: spec for spec in FAMILIES},
    GRAY.name: GRAY,
    "22k": dataclasses.replace(TINY, num_classes=21841),
}


def torch_shapes(spec: ArchSpec) -> list[tuple[str, Shape]]:
    with torch.device("meta"):
        model = MODELS[type(spec)](spec)
    return [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]


def paddle_shapes(spec: ArchSpec) -> list[tuple[str, Shape]]:
    with paddle.LazyGuard():
        model = PADDLE_MODELS[type(spec)](spec)
    return [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]


def test_every_architecture_has_a_pinned_parameter_count() -> None:
    assert list(PARAMETER_COUNTS) == list(ARCHS)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_table_has_the_published_number_of_parameters(arch: str) -> None:
    assert parameter_count(ARCHS[arch].params()) == PARAMETER_COUNTS[arch]


@pytest.mark.parametrize("name", SPECS)
def test_the_table_is_the_torch_models_state_dict_in_names_shapes_and_order(name: str) -> None:
    table = [(row.torch_name, row.shape) for row in SPECS[name].rows()]

    assert torch_shapes(SPECS[name]) == table


@pytest.mark.parametrize("name", SPECS)
def test_the_table_is_the_paddle_models_state_dict_in_names_shapes_and_order(name: str) -> None:
    table = [(param.paddle_name, param.paddle_shape) for param in SPECS[name].params()]

    assert paddle_shapes(SPECS[name]) == table


@pytest.mark.parametrize("name", SPECS)
def test_every_torch_tensor_but_those_of_batch_norms_is_a_parameter(name: str) -> None:
    with torch.device("meta"):
        model = MODELS[type(SPECS[name])](SPECS[name])

    parameters = {name for name, _ in model.named_parameters()}
    buffers = [name for name in model.state_dict() if name not in parameters]
    assert all(name.endswith((*STATISTICS, COUNTER)) for name in buffers)


@pytest.mark.parametrize("name", SPECS)
def test_every_torch_parameter_is_counted_and_no_buffer_is(name: str) -> None:
    with torch.device("meta"):
        model = MODELS[type(SPECS[name])](SPECS[name])

    assert parameter_count(SPECS[name].params()) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("arch", REPLKNETS)
def test_a_replknet_of_22k_classes_and_a_merged_one_have_the_authors_number_of_parameters(arch: str) -> None:
    spec = ARCHS[arch]
    merging = spec.merging()

    assert merging is not None
    many = dataclasses.replace(spec, num_classes=21841)
    assert (parameter_count(many.params()), parameter_count(merging.spec.params())) == REPLKNETS[arch]
    entries = 848 if arch == "replknet_xl" else 968
    assert (len(spec.params()), len(list(spec.rows()))) == (entries, {848: 1027, 968: 1171}[entries])
    assert (len(merging.spec.params()), len(list(merging.spec.rows()))) == (776, 931)


@pytest.mark.parametrize(
    ("classes", "chans", "extra"),
    [(1000, 3, 0), (21841, 3, 20841 * 769), (10, 3, -990 * 769), (1000, 1, -2 * 16 * 96), (1000, 4, 16 * 96)],
)
def test_classes_and_channels_change_the_head_and_the_stem_only(classes: int, chans: int, extra: int) -> None:
    spec = dataclasses.replace(ARCHS["convnext_tiny"], num_classes=classes, in_chans=chans)

    assert parameter_count(spec.params()) == PARAMETER_COUNTS["convnext_tiny"] + extra


def test_a_spec_is_fitted_to_the_tensors_number_of_classes_and_channels() -> None:
    shapes = {param.torch_name: param.shape for param in GRAY.params()}

    assert dataclasses.replace(TINY, name=GRAY.name).fitted_to(shapes) == GRAY


@pytest.mark.parametrize("head", [(), (7,), (7, 10, 1, 1)])
def test_a_head_of_another_rank_leaves_the_number_of_classes_as_it_is(head: Shape) -> None:
    assert TINY.fitted_to({"head.weight": head}) == TINY


@pytest.mark.parametrize("stem", [(), (4,), (4, 1, 4)])
def test_a_stem_of_another_rank_leaves_the_number_of_channels_as_it_is(stem: Shape) -> None:
    shapes = expected_shapes(TINY, "torch") | {"downsample_layers.0.0.weight": stem}

    assert TINY.fitted_to(shapes) == TINY


@pytest.mark.parametrize("spec", [TINY, GRAY])
def test_linear_weights_and_they_alone_are_transposed(spec: ArchSpec) -> None:
    transposed = {param.torch_name for param in spec.params() if param.layout.value == "transpose"}

    with torch.device("meta"):
        modules = dict(MODELS[type(spec)](spec).named_modules())
    assert transposed == {f"{name}.weight" for name, m in modules.items() if isinstance(m, torch.nn.Linear)}


def test_no_two_of_the_distinct_weights_are_alike() -> None:
    weights = distinct_weights(TINY.params())

    assert len({array.tobytes() for array in weights.values()}) == len(TINY.params())


def test_the_distinct_weights_of_another_seed_are_others() -> None:
    one, other = distinct_weights(TINY.params(), seed=0), distinct_weights(TINY.params(), seed=1)

    assert not any((one[name] == other[name]).any() for name in one)


def test_the_distinct_weights_are_of_order_one() -> None:
    vectors = [array for array in distinct_weights(TINY.params()).values() if array.ndim == 1]

    assert all((abs(array) >= 0.5).all() and (abs(array) <= 1.5).all() for array in vectors)


def test_head_weights_are_square_in_the_tiny_twin() -> None:
    assert {p.torch_name: p.shape for p in TINY.params()}["head.weight"] == (10, 10)
