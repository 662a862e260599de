"""`verify --list-recipes`: every recipe, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from convert.console import aligned
from convert.source.pretrained import PRETRAINED
from convert.visible import joined
from verify.recipes.recipe import Recipe, known_recipes
from verify.recipes.table import FILES, LICENCE, SOURCES

OTHER_SIZE = "@"  # what stands after it is a size; the checkpoint is the one before it


def recipe_table() -> str:
    """The table of every recipe for a terminal, a line each, and where the accuracies come from."""
    keys = {url: key for key, url in SOURCES.items()}
    head = ("recipe", "architecture", "size", "resize", "", "top-1", "top-5", "source")
    rows = [head, *(_cells(recipe, keys[recipe.source]) for recipe in known_recipes())]
    width = max(map(len, SOURCES)) + 2
    return joined([*aligned(rows), "", *(f"{key:<{width}}{url}" for key, url in SOURCES.items()), LICENCE])


def recipes_as_json() -> str:
    """Every recipe as a JSON list of objects.

    Each has the fields of `Recipe` (`top5` is null where the source does not say), and where its checkpoint is
    published: `files`, names that the file has there, and `url`, its address. Empty or null where none is known.
    """
    return json.dumps([{**asdict(recipe), **_checkpoint(recipe.name)} for recipe in known_recipes()], indent=2)


def _cells(recipe: Recipe, source: str) -> tuple[str, ...]:
    top1, top5 = (f"{value:.{recipe.decimals}f}" if value else "" for value in (recipe.top1, recipe.top5))
    protocol = recipe.protocol
    return (
        recipe.name,
        recipe.arch,
        str(protocol.size),
        str(protocol.resize),
        protocol.interpolation,
        top1,
        top5,
        source,
    )


def _checkpoint(recipe: str) -> dict[str, list[str] | str | None]:
    name = recipe.partition(OTHER_SIZE)[0]
    published = PRETRAINED.get(name)
    files = [file for file, known in FILES.items() if known == name]
    if published:
        files.insert(0, published.url.rpartition("/")[2])
    return {"files": list(dict.fromkeys(files)), "url": published.url if published else None}
