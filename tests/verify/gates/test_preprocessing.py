"""The gate on preprocessing: its formulae against torchvision's transforms, and faults that it must see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from verify import sample
from verify.datasets import Item
from verify.gate import Verdict
from verify.gates.preprocessing import LANDSCAPE, PORTRAIT, expected_pixels, made_up, preprocessing_gate
from verify.images.decode import Decoded, decode_item
from verify.limits import PIXEL_LEVELS
from verify.recipes.protocol import SQUASH, Recipe
from verify.recipes.recipe import get_recipe

SMALL = Recipe(size=64, resize=72)
RECIPES = {
    "the authors' at 224": Recipe(),
    "the authors' at 384": Recipe(size=384, resize=SQUASH),
    "torchvision's": get_recipe("torchvision/ConvNeXt_Small_Weights.IMAGENET1K_V1").recipe,
    "no crop": Recipe(size=288, resize=288),
    "an odd size": Recipe(size=65, resize=80, interpolation="bilinear"),
    "the sample's": sample.RECIPE,
    "a resize far beyond the crop": Recipe(size=32, resize=9000),
}


@pytest.mark.parametrize("name", [name for name in RECIPES if "far beyond" not in name])
@pytest.mark.parametrize("shape", [LANDSCAPE, PORTRAIT])
def test_the_formulae_are_torchvision_s_transforms_but_for_rounding(name: str, shape: tuple[float, float]) -> None:
    recipe = RECIPES[name]
    squash = recipe.resize == SQUASH
    mode = transforms.InterpolationMode(recipe.interpolation)
    theirs = transforms.Compose(
        [
            transforms.Resize((recipe.size,) * 2 if squash else recipe.resize, mode),
            transforms.CenterCrop(recipe.size),
            transforms.ToTensor(),
            transforms.Normalize(recipe.mean, recipe.std),
        ]
    )
    pixels = made_up(recipe.size if squash else int(recipe.resize), shape)
    levels = np.abs(theirs(Image.fromarray(pixels)).numpy() - expected_pixels(pixels, recipe))
    worst = (levels * 255 * np.array(recipe.std)[:, None, None]).max()

    assert 0.5 < worst < 1.2 < PIXEL_LEVELS


@pytest.mark.parametrize("name", RECIPES)
def test_the_right_pixels_pass(name: str) -> None:
    gate = preprocessing_gate(RECIPES[name])

    assert (gate.name, gate.verdict) == ("preprocessing", Verdict.PASSED)


def otherwise(**changes: Any) -> Callable[[Item, Recipe], Decoded]:
    return lambda item, recipe: decode_item(item, replace(recipe, **changes))


def altered(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Item, Recipe], Decoded]:
    def decode(item: Item, recipe: Recipe) -> Decoded:
        decoded = decode_item(item, recipe)
        assert decoded.pixels is not None
        return replace(decoded, pixels=change(decoded.pixels))

    return decode


FAULTS = {
    "BGR": altered(lambda pixels: pixels[::-1]),
    "mean and std exchanged": otherwise(mean=SMALL.std, std=SMALL.mean),
    "the last digit of a std": otherwise(std=(0.229, 0.224, 0.223)),
    "bilinear": otherwise(interpolation="bilinear"),
    "a resize of one pixel more": otherwise(resize=73),
    "a squash": otherwise(resize=SQUASH),
    "a crop one pixel off": altered(lambda pixels: np.roll(pixels, 1, 2)),
    "mirrored": altered(lambda pixels: pixels[:, :, ::-1]),
    "height and width exchanged": altered(lambda pixels: pixels.transpose(0, 2, 1)),
    "three grey levels more": altered(lambda pixels: pixels + np.float32(0.05)),
    "another size": otherwise(size=60),
    "not a number": altered(lambda pixels: pixels * np.float32("nan")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_sees(fault: str) -> None:
    assert preprocessing_gate(SMALL, decode=FAULTS[fault]).verdict is Verdict.FAILED


def test_an_image_that_is_refused_fails_with_the_reason() -> None:
    gate = preprocessing_gate(SMALL, decode=lambda *_: Decoded(None, error="no memory"))

    assert (gate.measured, gate.problems) == ("at most inf grey levels", ("no memory", "no memory"))
