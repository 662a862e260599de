"""Recipes: published checkpoints with their evaluation protocol and the accuracy that it gave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convert.checkpoints.containers import split_suffix
from convert.errors import FerryError, did_you_mean, shown
from convert.source.pretrained import HUB_FILE, PRETRAINED
from verify.recipes.protocol import SQUASH, Protocol
from verify.recipes.table import FILES, LEFT_OUT, NORMALISATIONS, OTHERS, REPLKNET, SOURCES, TIMM

if TYPE_CHECKING:
    from convert.archs import ArchSpec

NUM_CLASSES = 1000  # every published top-1 is ImageNet-1k's

CACHED = re.compile(r"^[0-9a-f]{16}-")  # what convert.source.cache puts before a file's name in its cache


class UnknownRecipe(FerryError):
    """A recipe's name that the table does not have, or has left out."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The evaluation of one published checkpoint.

    Attributes:
        name: timm's name of the checkpoint, with `@288` where it was also evaluated at another size.
        arch: the architecture.
        num_classes: outputs of its head.
        protocol: how its images are prepared.
        top1: per cent of the images.
        top5: per cent of the images; None if the source does not say.
        decimals: of top1 in the source.
        source: address of the page or file that states the accuracy.
        images: that the accuracy is over; ImageNet's validation set, whole, unless given.
    """

    name: str
    arch: str
    num_classes: int
    protocol: Protocol
    top1: float
    top5: float | None
    decimals: int
    source: str
    images: int = 50_000

    def fits(self, spec: ArchSpec) -> bool:
        """Whether a checkpoint of that architecture and number of classes can be the one published."""
        return (self.arch, self.num_classes) == (spec.name, spec.num_classes)


def known_recipes() -> tuple[Recipe, ...]:
    """Every recipe, in the order of the table."""
    return tuple(RECIPES.values())


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownRecipe: the table does not have it; the text has the reason, the recipes of that architecture, or the
            closest names.
    """
    if name in RECIPES:
        return RECIPES[name]
    if name in LEFT_OUT:
        raise UnknownRecipe(f"recipe {name} is left out: {LEFT_OUT[name]}")
    if names := [recipe.name for recipe in RECIPES.values() if recipe.arch == name]:
        raise UnknownRecipe(f"{name!r} is an architecture; its recipes are {', '.join(names)}")
    hint = did_you_mean(name, RECIPES, otherwise="--list-recipes prints them all")
    raise UnknownRecipe(f"unknown recipe {shown(name)!r}; {hint}")


def recognise_recipe(path_or_name: Path | str, spec: ArchSpec) -> Recipe | None:
    """The recipe of a checkpoint that still has the name under which it was published, or None.

    Args:
        path_or_name: the checkpoint's file, or timm's name of it. Its last part is looked at, with or without a known
            suffix or the prefix of convert's cache: a recipe's name, or the published file's. Nothing but an equal
            name is recognised.
        spec: the checkpoint's own architecture and number of classes, which must be the recipe's.
    """
    stem, _ = split_suffix(CACHED.sub("", Path(path_or_name).name))
    recipe = RECIPES.get(_NAME_OF_STEM.get(stem, ""))
    return recipe if recipe and recipe.fits(spec) else None


def _timm_recipes() -> Iterator[Recipe]:
    for line in TIMM.split("\n")[1:-1]:
        name, size, resize, normalisation, top1, top5 = line.split()
        protocol = _protocol(size, resize, "bicubic", normalisation)
        yield _recipe(name, name.partition(".")[0], protocol, top1=top1, top5=top5, source="timm")


def _other_recipes() -> Iterator[Recipe]:
    for line in OTHERS.split("\n")[1:-1]:
        name, arch, size, resize, interpolation, top1, top5, source = line.split()
        protocol = _protocol(size, resize, interpolation, "imagenet")
        yield _recipe(name, arch, protocol, top1=top1, top5=top5, source=source)


def _replknet_recipes() -> Iterator[Recipe]:
    for line in REPLKNET.split("\n")[1:-1]:
        name, size, resize, normalisation, top1, top5, source = line.split()
        protocol = _protocol(size, resize, "bicubic", normalisation)
        yield _recipe(name, name.partition(".")[0], protocol, top1=top1, top5=top5, source=source)


def _protocol(size: str, resize: str, interpolation: str, normalisation: str) -> Protocol:
    mean, std = NORMALISATIONS[normalisation]
    edge = SQUASH if resize == SQUASH else int(resize)
    return Protocol(size=int(size), resize=edge, interpolation=interpolation, mean=mean, std=std)


def _recipe(name: str, arch: str, protocol: Protocol, *, top1: str, top5: str, source: str) -> Recipe:
    return Recipe(
        name=name,
        arch=arch,
        num_classes=NUM_CLASSES,
        protocol=protocol,
        top1=float(top1),
        top5=None if top5 == "-" else float(top5),
        decimals=len(top1.partition(".")[2]),
        source=SOURCES[source],
    )


def recipe_stems() -> Iterator[tuple[str, str]]:
    """Names that a published file has, without a suffix, each with the recipe's name that it stands for."""
    for name in RECIPES:
        yield name.rpartition("/")[2], name
    for name, row in PRETRAINED.items():
        file = row.url.rpartition("/")[2]
        if name in RECIPES and file != HUB_FILE:
            yield split_suffix(file)[0], name
    for file, name in FILES.items():
        yield split_suffix(file)[0], name


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*_timm_recipes(), *_other_recipes(), *_replknet_recipes())
}
_NAME_OF_STEM = dict(recipe_stems())
