"""What a run is of, for programs: the section `facts` of report.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from verify.recipes.protocol import SQUASH, Protocol
from verify.store.facts import Identity, Machine, Notes, RunFacts, Speed

PROTOCOL = ("size", "resize", "interpolation", "mean", "std")


def fact_fields(facts: RunFacts) -> dict[str, Any]:
    """The facts as plain values."""
    identity, notes = facts.identity, facts.notes
    data = identity.data
    return {
        "arch": asdict(identity.arch),
        "table": asdict(identity.table) if identity.table else None,
        "models": dict(identity.models),
        "source": asdict(identity.source),
        "target": asdict(identity.target),
        "protocol": _protocol(identity.protocol),
        "recipe": _recipe(identity, notes),
        "versions": dict(identity.versions),
        "data": _data(identity, notes),
        "batch_size": data.batch_size if data else None,
        "shard": asdict(notes.shard) if data and not notes.merged else None,
        "merged": [asdict(shard) for shard in notes.merged],
        "machines": [_machine(machine) for machine in facts.machines],
        "system": notes.system or None,
        "another_run": asdict(notes.another_run) if notes.another_run else None,
        "data_changed": notes.data_changed,
        "speed": _speed(notes.speed) if notes.speed else None,
    }


def _protocol(protocol: Protocol) -> dict[str, Any]:
    crop = None if protocol.resize == SQUASH else protocol.size
    return {**asdict(protocol), "crop": crop}


def _recipe(identity: Identity, notes: Notes) -> dict[str, Any]:
    used, recipe = identity.protocol, identity.recipe
    if recipe is None:
        return {"name": None, "how": notes.how, "overridden": {}}
    published = asdict(recipe.protocol)
    overridden = {name: published[name] for name in PROTOCOL if getattr(used, name) != published[name]}
    return {"name": recipe.name, "how": notes.how, "overridden": overridden}


def _data(identity: Identity, notes: Notes) -> dict[str, Any] | None:
    data, place = identity.data, notes.data
    if data is None or place is None:
        return None
    labels = asdict(data.labels) if data.labels else dict.fromkeys(("classes", "fewest", "most"))
    return {
        "name": place.name,
        "layout": place.layout,
        "images": data.images,
        **labels,
        "fingerprint": data.fingerprint,
        "ignored": place.ignored,
        "unlisted": place.unlisted,
        "class_map_sha256": data.class_map_sha256 or None,
    }


def _machine(machine: Machine) -> dict[str, Any]:
    setups = {name: {**asdict(setup), "gpu": setup.gpu or None} for name, setup in machine.setups.items()}
    return {"device": machine.device, "frameworks": setups}


def _speed(speed: Speed) -> dict[str, Any]:
    return {**asdict(speed), "images_per_second": speed.images_per_second}
