"""Which protocol a verification runs by: that of a recipe, named or recognised, or one put together from values."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convert.errors import FerryError, WrongUsage
from verify.recipes.protocol import SQUASH, Protocol, official_resize
from verify.recipes.recipe import Recipe, get_recipe, recognise_recipe

if TYPE_CHECKING:
    from convert.archs import ArchSpec

MIN_SIZE = 32
MAX_EDGE = 10**9  # pixels; more is a slip of the pen
EDGE = "short edge "

Triple = tuple[float, float, float]

# How a recipe was chosen: by its own name, by that of the checkpoint's file, or not at all: because of
# single values, because neither name is one, because the caller gives the protocol, or because a library
# or a table says how images are prepared for its model.
How = Literal["named", "recognised", "own values", "neither", "given", "library", "table"]


class WrongProtocol(WrongUsage):
    """Values of a protocol that cannot be, or that contradict each other."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Single values in place of a recipe's, as in `Protocol` but for `crop_pct`; None leaves the recipe's.

    Attributes:
        size: side of the square input, in pixels.
        resize: the short edge before the centre crop, or "squash".
        crop_pct: side of the crop over the short edge, in place of `resize`.
        interpolation: of the resize.
        mean: subtracted from each channel.
        std: each channel is divided by it.
    """

    size: int | None = None
    resize: int | str | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    mean: Triple | None = None
    std: Triple | None = None

    @property
    def given(self) -> bool:
        """Whether any value is given."""
        return any(value is not None for value in astuple(self))


@dataclass(frozen=True, kw_only=True)
class ChosenRecipe:
    """The protocol of a run, and where it comes from.

    Attributes:
        protocol: how images are prepared.
        recipe: the published evaluation that it is, or that it departs from; None if there is none.
        overridden: in what it departs, for people.
        how: how it was chosen.
    """

    protocol: Protocol
    recipe: Recipe | None
    overridden: tuple[str, ...]
    how: How


def choose_recipe(
    named: str, overrides: Overrides, *, checkpoint: Path, spec: ArchSpec, default: Protocol | None = None
) -> ChosenRecipe:
    """The protocol for a checkpoint, and the recipe that it is taken from.

    Args:
        named: a recipe's name, or "" to recognise the checkpoint by its file name. That is tried only where no value
            is overridden, for values without a recipe are a protocol of their own.
        overrides: single values that take the place of the recipe's.
        checkpoint: PyTorch's file.
        spec: its own architecture and number of classes.
        default: what is overridden where no recipe is named; the authors' at 224 if None.

    Raises:
        FerryError: there is no such recipe, it is another checkpoint's, or the values cannot be.
    """
    chosen = _chosen(named, overrides, checkpoint, spec, default)
    size, sizes = chosen.protocol.size, spec.sizes
    if sizes is not None and size not in sizes:
        raise WrongProtocol(f"--size {size}: {spec.name} takes images of {sizes[0]} to {sizes[-1]} pixels")
    return chosen


def _chosen(
    named: str, overrides: Overrides, checkpoint: Path, spec: ArchSpec, default: Protocol | None
) -> ChosenRecipe:
    if named:
        recipe = get_recipe(named)
        _check_fits(recipe, checkpoint, spec)
        protocol = named_protocol(recipe, overrides)
        changes = differences(protocol, recipe.protocol)
        return ChosenRecipe(protocol=protocol, recipe=recipe, overridden=changes, how="named")
    if overrides.given:
        protocol = own_protocol(default, overrides)
        return ChosenRecipe(protocol=protocol, recipe=None, overridden=(), how="own values")
    if recognised := recognise_recipe(checkpoint, spec):
        return ChosenRecipe(protocol=recognised.protocol, recipe=recognised, overridden=(), how="recognised")
    return ChosenRecipe(protocol=default or Protocol(), recipe=None, overridden=(), how="neither")


def protocol_of_model(base: Protocol, overrides: Overrides, how: How) -> ChosenRecipe:
    """The protocol that a model itself is evaluated by, with values overridden.

    Args:
        base: the model's own.
        overrides: single values that take the place of its own.
        how: where it comes from, "library" or "table".

    Raises:
        WrongProtocol: the values cannot be.
    """
    chosen: How = "own values" if overrides.given else how
    return ChosenRecipe(protocol=overridden(base, overrides), recipe=None, overridden=(), how=chosen)


def named_protocol(recipe: Recipe, overrides: Overrides) -> Protocol:
    """A recipe's protocol with values overridden.

    Another size alone keeps its squash, or its ratio of short edge to crop.

    Raises:
        WrongProtocol: the values cannot be.
    """
    return overridden(recipe.protocol, overrides)


def overridden(base: Protocol, overrides: Overrides) -> Protocol:
    """A protocol with values overridden; another size alone keeps its squash, or its ratio of short edge to crop.

    Raises:
        WrongProtocol: the values cannot be.
    """
    if overrides.size is None or base.resize == SQUASH:
        return _merged(base, overrides, resize=base.resize)
    return _merged(base, overrides, resize=overrides.size * int(base.resize) // base.size)


def own_protocol(default: Protocol | None, overrides: Overrides) -> Protocol:
    """A protocol without a recipe. Another size alone takes the authors' resize for it.

    Raises:
        WrongProtocol: the values cannot be.
    """
    base = default or Protocol()
    return _merged(base, overrides, resize=base.resize if overrides.size is None else official_resize(overrides.size))


def differences(used: Protocol, published: Protocol) -> tuple[str, ...]:
    """The values in which a protocol departs from the published one: "size 288 instead of 224"; empty if in none."""
    words = {
        "size": (f"size {used.size}", published.size),
        "resize": (_edge(used), _edge(published).removeprefix("" if used.resize == SQUASH else EDGE)),
        "interpolation": (used.interpolation, published.interpolation),
        "mean": (f"mean {used.mean}", published.mean),
        "std": (f"std {used.std}", published.std),
    }
    return tuple(
        f"{ours} instead of {theirs}"
        for field, (ours, theirs) in words.items()
        if getattr(used, field) != getattr(published, field)
    )


def not_published(changes: tuple[str, ...]) -> str:
    """How every report says that a protocol is not the published one."""
    return f"not the published protocol: {', '.join(changes)}"


def _check_fits(recipe: Recipe, checkpoint: Path, spec: ArchSpec) -> None:
    if not recipe.fits(spec):
        raise FerryError(
            f"--recipe {recipe.name} is of {recipe.arch} with {recipe.num_classes} classes, and "
            f"{checkpoint.name} is {spec.name} with {spec.num_classes}; name that one's recipe, or give its protocol "
            "by --size, --resize, --interpolation, --mean and --std"
        )


def _merged(base: Protocol, overrides: Overrides, *, resize: int | str) -> Protocol:
    size = base.size if overrides.size is None else overrides.size
    if overrides.crop_pct is not None and overrides.resize is not None:
        raise WrongProtocol("--crop-pct and --resize say the same thing: give one of them")
    if overrides.crop_pct is not None:
        resize = _short_edge(size, overrides.crop_pct)
    elif overrides.resize is not None:
        resize = overrides.resize
    if size < MIN_SIZE:
        raise WrongProtocol(f"--size {size}: the models divide the size by {MIN_SIZE}, so it is at least that")
    if isinstance(resize, int) and resize < size:
        raise WrongProtocol(f"--resize {resize} is smaller than --size {size}: there would be nothing to crop from")
    merged = replace(
        base,
        size=size,
        resize=resize,
        interpolation=overrides.interpolation or base.interpolation,
        mean=overrides.mean or base.mean,
        std=overrides.std or base.std,
    )
    if 0.0 in merged.std:
        raise WrongProtocol("--std: a value of 0 would divide by zero")
    if not all(map(math.isfinite, merged.mean + merged.std)):
        raise WrongProtocol("--mean and --std take finite numbers")
    return merged


def _short_edge(size: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise WrongProtocol(f"--crop-pct {fraction:g}: a fraction above 0, at most 1")
    if size / fraction > MAX_EDGE:
        raise WrongProtocol(f"--crop-pct {fraction:g}: the short edge would have more than {MAX_EDGE:,} pixels")
    return int(size / fraction)


def _edge(protocol: Protocol) -> str:
    return SQUASH if protocol.resize == SQUASH else f"{EDGE}{protocol.resize}"
