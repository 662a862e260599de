"""Whether the facts of a run store can be those of a run; their types have been read already."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verify.recipes.protocol import INTERPOLATIONS, SQUASH, Protocol
from verify.recipes.recipe import Recipe
from verify.store.facts import ENGINES, DataFacts, Identity, Machine, RunFacts, Settings

SHA256 = re.compile("[0-9a-f]{64}")
MAX_DECIMALS = 9  # of a published number; the sources have 1 to 3


def problems(facts: RunFacts) -> Iterator[str]:
    """What no run over a data set can be of, a line each."""
    yield from _of_identity(facts.identity)
    yield from _of_notes(facts)
    for machine in facts.machines:
        yield from _of_machine(machine)
    if facts.identity.data is None:
        yield "no data"
    else:
        yield from _of_data(facts.identity.data, facts.settings)
    wrong = [digest for digest in _digests(facts) if not SHA256.fullmatch(digest)]
    yield from (f"{digest[:80]!r} is no SHA-256" for digest in wrong)


def _of_identity(identity: Identity) -> Iterator[str]:
    arch = identity.arch
    yield from _below_one({"arch.features": arch.features, "arch.channels": arch.channels})
    if arch.classes < 0:
        yield f"arch.classes is {arch.classes}"
    yield from _of_protocol(identity.protocol)
    if identity.recipe:
        yield from _of_recipe(identity.recipe)


def _of_protocol(protocol: Protocol) -> Iterator[str]:
    yield from _below_one({"protocol.size": protocol.size})
    if isinstance(protocol.resize, int):
        yield from _below_one({"protocol.resize": protocol.resize})
    elif protocol.resize != SQUASH:
        yield f"protocol.resize is {protocol.resize[:80]!r}"
    if protocol.interpolation not in INTERPOLATIONS:
        yield f"protocol.interpolation is {protocol.interpolation[:80]!r}"


def _of_recipe(recipe: Recipe) -> Iterator[str]:
    yield from _below_one({"recipe.num_classes": recipe.num_classes, "recipe.images": recipe.images})
    yield from _of_protocol(recipe.protocol)
    if not all(0 <= score <= 100 for score in (recipe.top1, recipe.top5 or 0)):
        yield "recipe.top1 or recipe.top5 is no percentage"
    if not 0 <= recipe.decimals <= MAX_DECIMALS:
        yield f"recipe.decimals is {recipe.decimals}"


def _of_notes(facts: RunFacts) -> Iterator[str]:
    notes = facts.notes
    for shard in (notes.shard, *notes.merged):
        if not 1 <= shard.number <= shard.count:
            yield f"shard {shard}"
    if (notes.how in ("named", "recognised")) != (facts.identity.recipe is not None):
        yield f"notes.how is {notes.how!r}, {'with' if facts.identity.recipe else 'without'} a recipe"


def _of_machine(machine: Machine) -> Iterator[str]:
    for name, setup in machine.setups.items():
        if setup.threads is not None:
            yield from _below_one({f"threads of {name[:80]!r}": setup.threads})
        if setup.engine not in ENGINES:
            yield f"engine of {name[:80]!r}"


def _of_data(data: DataFacts, settings: Settings) -> Iterator[str]:
    yield from _below_one({"data.images": data.images, "data.batch_size": data.batch_size})
    if data.images != settings.all_listed.count:
        yield f"data.images is {data.images:,}, and {settings.all_listed.count:,} are listed"
    if not 0 <= settings.listed.count <= data.images:
        yield f"{settings.listed.count:,} images of {data.images:,} are listed for the shard"
    if labels := data.labels:
        yield from _below_one({"labels.classes": labels.classes, "labels.fewest": labels.fewest})
        if labels.fewest > labels.most or labels.classes * labels.fewest > data.images:
            yield "data.labels does not add up to data.images"


def _below_one(counts: dict[str, int]) -> Iterator[str]:
    return (f"{name} is {count}" for name, count in counts.items() if count < 1)


def _digests(facts: RunFacts) -> Iterator[str]:
    if table := facts.identity.table:
        yield table.sha256
    for file in (facts.identity.source, facts.identity.target):
        yield from (part.sha256 for part in file.files)
    if data := facts.identity.data:
        yield data.fingerprint
        yield from [data.class_map_sha256] * bool(data.class_map_sha256)
    yield from (facts.settings.listed.sha256, facts.settings.all_listed.sha256)
