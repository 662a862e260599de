"""What a run is of, as the run store and every report state it."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import PIL

from convert.checkpoints import Checkpoint
from convert.digest import sha256_of
from convert.version import __version__
from verify.options import Options
from verify.pair import Pair
from verify.recipes.choose import ChosenRecipe
from verify.store.rows import RunFacts


def settings_of(chosen: ChosenRecipe, classes: Sequence[str] = ()) -> dict[str, str]:
    """The settings that `conclude_run` needs beside rows and gates, for the run store.

    Args:
        chosen: the protocol, and its recipe where there is one.
        classes: name of each label, where the data set names them.
    """
    return {
        "classes": json.dumps(list(classes)),
        "recipe": json.dumps(asdict(chosen.protocol)),
        "published": chosen.recipe.name if chosen.recipe else "",
    }


def facts_of(options: Options, pair: Pair, chosen: ChosenRecipe) -> RunFacts:
    spec = pair.spec
    recognised = ", recognised" if pair.source.recognised else ""
    protocol_facts = chosen.facts()
    how = {"recipe": protocol_facts.pop("recipe")}
    identity = {
        "arch": f"{spec.name}, {spec.num_classes} classes, {spec.in_chans} input channels{recognised}",
        "source": _file(pair.source.checkpoint),
        "target": _file(pair.target.checkpoint),
        **protocol_facts,
        "versions": f"paddleferry {__version__}, numpy {np.__version__}, pillow {PIL.__version__}",
    }
    notes = {**how, "system": f"{platform.system()} {platform.machine()}"}
    return RunFacts(identity, {"device": options.compute.device}, notes)


def _file(checkpoint: Checkpoint) -> str:
    files = (checkpoint.path, *checkpoint.shards)
    return ", ".join(f"{path.name} sha256 {sha256_of(path)}" for path in files)
