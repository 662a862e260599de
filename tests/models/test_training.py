"""What training needs, the same in both frameworks: initial values, stochastic depth, gradients that lower a loss."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from twins import BACKBONES, FAMILIES, TINY, carried, random_image

import models_paddle
import models_torch
from convert.archs import ARCHS, ArchSpec
from convert.arrays import Array
from verify.selftest.weights import distinct_weights

KEEP = 0.75
TO_TENSOR: dict[ModuleType, Callable[[Array], Any]] = {models_torch: torch.from_numpy, models_paddle: paddle.to_tensor}

both_frameworks = pytest.mark.parametrize("models", [models_torch, models_paddle], ids=["torch", "paddle"])


def seed(value: int = 0) -> None:
    torch.manual_seed(value)
    paddle.seed(value)


def values(models: ModuleType, **options: float) -> dict[str, Array]:
    """Name to initial value of every parameter of a convnext_digits."""
    seed()
    model = models.build(ARCHS["convnext_digits"], **options)
    return {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}


def rates(model: Any) -> list[float]:
    return [block.drop_path.rate for stage in model.stages for block in stage]


@both_frameworks
def test_drop_path_rates_grow_linearly_from_zero_to_the_given_one(models: ModuleType) -> None:
    assert rates(models.build(TINY, drop_path_rate=0.5)) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


@both_frameworks
def test_without_a_drop_path_rate_nothing_is_dropped(models: ModuleType) -> None:
    assert rates(models.build(TINY)) == [0.0] * 6


def test_the_drop_path_rate_of_a_network_of_one_block_is_zero() -> None:
    assert ARCHS["convnext_tiny"].drop_path_rates(0.0) == [0.0] * 18


@both_frameworks
def test_drop_path_zeroes_whole_samples_and_scales_the_others_up(models: ModuleType) -> None:
    seed()
    x = np.random.default_rng(0).uniform(1, 2, (400, 3, 2, 2))

    factors = models.layers.DropPath(1 - KEEP)(TO_TENSOR[models](x)).numpy() / x

    assert np.allclose(factors, factors[:, :1, :1, :1], rtol=1e-14)
    assert set(factors[:, 0, 0, 0].round(12)) == {0.0, round(1 / KEEP, 12)}


@both_frameworks
def test_drop_path_drops_as_often_as_its_rate_says(models: ModuleType) -> None:
    seed()
    x = np.ones((10_000, 1))

    kept = np.count_nonzero(models.layers.DropPath(1 - KEEP)(TO_TENSOR[models](x)).numpy())

    assert abs(kept - 7_500) < 5 * (10_000 * KEEP * (1 - KEEP)) ** 0.5  # five standard deviations


@both_frameworks
def test_drop_path_does_nothing_in_evaluation_mode(models: ModuleType) -> None:
    layer = models.layers.DropPath(0.9)
    layer.eval()
    x = random_image()

    assert np.array_equal(layer(TO_TENSOR[models](x)).numpy(), x)


@both_frameworks
def test_a_block_drops_its_branch_and_keeps_its_shortcut(models: ModuleType) -> None:
    seed()
    block = models.build(TINY, dtype="float64", drop_path_rate=0.5, layer_scale_init_value=1.0).stages[3][0]
    x = np.random.default_rng(0).normal(size=(40, 10, 5, 7))
    branch = block(TO_TENSOR[models](x)).detach().numpy() - x
    block.train()

    dropped = block(TO_TENSOR[models](x)).detach().numpy() - x

    gone = np.abs(dropped).max(axis=(1, 2, 3)) == 0
    assert 5 < gone.sum() < 35
    assert np.allclose(dropped[~gone], branch[~gone] / 0.5, rtol=1e-6, atol=1e-12)


@both_frameworks
def test_every_matrix_and_kernel_starts_at_a_standard_deviation_of_two_hundredths(models: ModuleType) -> None:
    weights = {name: w for name, w in values(models).items() if w.ndim > 1}

    # A cut at two standard deviations instead of at -2 and 2 gives 0.0176, which is 12 % too little.
    off = {name: float(w.std()) for name, w in weights.items() if abs(w.std() / 0.02 - 1) > 5 / (2 * w.size) ** 0.5}
    assert off == {}


@both_frameworks
def test_every_matrix_and_kernel_starts_around_zero(models: ModuleType) -> None:
    weights = {name: w for name, w in values(models).items() if w.ndim > 1}

    assert [name for name, w in weights.items() if abs(w.mean()) > 5 * 0.02 / w.size**0.5] == []


@both_frameworks
def test_initial_weights_are_not_cut_at_two_standard_deviations(models: ModuleType) -> None:
    assert abs(values(models)["stages.3.0.pwconv1.weight"]).max() > 3 * 0.02


@both_frameworks
def test_biases_start_at_zero_and_norms_at_one(models: ModuleType) -> None:
    initial = values(models)
    norms = ("norm.weight", *(f"downsample_layers.{i}.{int(i == 0)}.weight" for i in range(4)))

    assert all((w == 0).all() for name, w in initial.items() if name.endswith("bias"))
    assert all((w == 1).all() for name, w in initial.items() if name.endswith(norms))


@both_frameworks
@pytest.mark.parametrize("value", [1e-6, 0.5, 0, 1])
def test_every_gamma_starts_at_the_given_value(models: ModuleType, value: float) -> None:
    gammas = [w for name, w in values(models, layer_scale_init_value=value).items() if name.endswith("gamma")]

    assert len(gammas) == 6
    assert all((w == np.float32(value)).all() for w in gammas)


@both_frameworks
def test_without_a_given_value_every_gamma_starts_at_the_authors(models: ModuleType) -> None:
    assert all((w == np.float32(1e-6)).all() for name, w in values(models).items() if name.endswith("gamma"))


@both_frameworks
@pytest.mark.parametrize("value", [1e-6, 0.5, 0])
@pytest.mark.parametrize("arch", ["convnextv2_atto", "convnext_isotropic_small"])
def test_a_value_for_gammas_that_are_not_there_is_refused(models: ModuleType, arch: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{arch} has no LayerScale; leave layer_scale_init_value out$"):
        models.build(ARCHS[arch], layer_scale_init_value=value)


@both_frameworks
@pytest.mark.parametrize("spec", [spec for spec in FAMILIES if spec.num_classes], ids=lambda spec: spec.name)
def test_every_family_is_trained_with_the_same_arguments(models: ModuleType, spec: ArchSpec) -> None:
    def head_of(model: Any) -> Any:
        return getattr(model, spec.head_key.removesuffix(".weight")).weight.detach().numpy()

    seed()
    plain = models.build(spec)
    seed()
    scaled = models.build(spec, drop_path_rate=0.5, head_init_scale=0.25)

    layers = scaled.modules() if models is models_torch else scaled.sublayers()
    assert [layer.rate for layer in layers if isinstance(layer, models.layers.DropPath)] == spec.drop_path_rates(0.5)
    assert np.array_equal(head_of(scaled), 0.25 * head_of(plain))


@both_frameworks
@pytest.mark.parametrize("spec", BACKBONES, ids=lambda spec: spec.name)
def test_a_scale_for_a_head_that_is_not_there_is_refused(models: ModuleType, spec: ArchSpec) -> None:
    built = models.build(spec, drop_path_rate=0.5)

    layers = built.modules() if models is models_torch else built.sublayers()
    assert [layer.rate for layer in layers if isinstance(layer, models.layers.DropPath)] == spec.drop_path_rates(0.5)
    with pytest.raises(ValueError, match=r"^the model has no head; leave head_init_scale out$"):
        models.build(spec, head_init_scale=0.25)


@both_frameworks
def test_the_head_init_scale_scales_the_head_and_nothing_else(models: ModuleType) -> None:
    plain, scaled = values(models), values(models, head_init_scale=0.25)

    assert np.array_equal(scaled.pop("head.weight"), 0.25 * plain["head.weight"])
    assert all(np.array_equal(w, plain[name]) for name, w in scaled.items())


@both_frameworks
def test_a_built_model_is_in_evaluation_mode_and_of_the_asked_dtype(models: ModuleType) -> None:
    model = models.build(TINY, dtype="float64")

    assert not any(layer.training for layer in [model, *model.stages[0]])
    assert {str(parameter.dtype).rpartition(".")[2] for parameter in model.parameters()} == {"float64"}


def test_building_in_float64_leaves_paddles_default_dtype_as_it_was() -> None:
    models_paddle.build(TINY, dtype="float64")

    assert paddle.get_default_dtype() == "float32"


def test_a_few_steps_of_training_lower_the_loss_in_torch() -> None:
    losses = torch_losses()

    assert losses[-1] < 0.75 * losses[0]


def test_a_few_steps_of_training_lower_the_loss_in_paddle() -> None:
    losses = paddle_losses()

    assert losses[-1] < 0.75 * losses[0]


def test_the_same_steps_of_training_give_the_same_losses() -> None:
    assert np.allclose(paddle_losses(), torch_losses(), rtol=1e-4)  # measured floor 3e-7


LABELS = np.arange(8)


def torch_losses() -> list[float]:
    seed()
    model = models_torch.build_with(TINY, distinct_weights(TINY.params(), dtype="float32")).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    image, labels, losses = (
        torch.from_numpy(random_image((8, 3, 32, 32)).astype("float32")),
        torch.from_numpy(LABELS),
        [],
    )
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(model(image), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def paddle_losses() -> list[float]:
    seed()
    model = models_paddle.build_with(TINY, carried(TINY.params(), distinct_weights(TINY.params(), dtype="float32")))
    model.train()
    optimizer = paddle.optimizer.AdamW(1e-2, parameters=model.parameters())
    image, labels, losses = (
        paddle.to_tensor(random_image((8, 3, 32, 32)).astype("float32")),
        paddle.to_tensor(LABELS),
        [],
    )
    for _ in range(12):
        loss = paddle.nn.functional.cross_entropy(model(image), labels)
        optimizer.clear_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
