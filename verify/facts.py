"""What a run is of, as the run store and every report state it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import PIL

from convert.checkpoints import Checkpoint
from convert.digest import sha256_of
from convert.version import __version__
from verify.accuracy.evaluate import Plan
from verify.datasets import Dataset
from verify.options import Options
from verify.pair import Pair
from verify.recipes.choose import ChosenRecipe
from verify.store.coverage import listing
from verify.store.rows import RunFacts
from verify.workers.worker import Worker


def settings_of(chosen: ChosenRecipe, classes: Sequence[str] = ()) -> dict[str, str]:
    """What `conclude` needs beside rows and gates, for the run store.

    Args:
        chosen: the recipe.
        classes: name of each label, where the data set names them.
    """
    return {
        "classes": json.dumps(list(classes)),
        "recipe": json.dumps(asdict(chosen.recipe)),
        "published": chosen.published.name if chosen.published else "",
    }


def facts_of(options: Options, pair: Pair, chosen: ChosenRecipe) -> RunFacts:
    spec = pair.spec
    recognised = ", recognised" if pair.source.recognised else ""
    found = chosen.facts()
    how = {"recipe": found.pop("recipe")}
    identity = {
        "arch": f"{spec.name}, {spec.num_classes} classes, {spec.in_chans} input channels{recognised}",
        "source": _file(pair.source.checkpoint),
        "target": _file(pair.target.checkpoint),
        **found,
        "versions": f"paddleferry {__version__}, numpy {np.__version__}, pillow {PIL.__version__}",
    }
    notes = {**how, "system": f"{platform.system()} {platform.machine()}"}
    return RunFacts(identity, {"device": options.compute.device}, notes)


def _file(checkpoint: Checkpoint) -> str:
    files = (checkpoint.path, *checkpoint.shards)
    return ", ".join(f"{path.name} sha256 {sha256_of(path)}" for path in files)


def with_workers(facts: RunFacts, options: Options, workers: Mapping[str, Worker]) -> RunFacts:
    versions = ", ".join([facts.identity["versions"], *(worker.version for worker in workers.values())])
    settings = ", ".join(f"{name} {worker.settings}" for name, worker in workers.items())
    machine = {"device": f"{options.compute.device}: {settings}"}
    return replace(facts, identity={**facts.identity, "versions": versions}, machine=machine)


def with_data(facts: RunFacts, dataset: Dataset, options: Options, plan: Plan) -> RunFacts:
    found = dataset.facts()
    folder = {"data": found.pop("data")}  # its name may be another on every machine
    identity = {
        **facts.identity,
        **found,
        "images": str(len(dataset.items)),
        **({"class map": f"sha256 {sha256_of(options.class_map)}"} if options.class_map else {}),
        "batch size": str(options.batch_size),
    }
    shard = {"shard": str(options.shard)} if options.shard.count > 1 else {}
    settings = {**facts.settings, "listed": listing(plan.items(dataset)), "all listed": listing(dataset.items)}
    return replace(facts, identity=identity, notes={**folder, **facts.notes, **shard}, settings=settings)
