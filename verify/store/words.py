"""What a run is of, in words: for the errors of resume and merge, and for every form of the report."""

from __future__ import annotations

from collections.abc import Iterator

from convert.errors import counted
from verify.recipes.choose import How, differences, not_published
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe
from verify.store.facts import (
    EAGER,
    Architecture,
    CheckpointFile,
    DataPlace,
    Identity,
    LabelCounts,
    Machine,
    Notes,
    RunFacts,
    Setup,
    Speed,
)
from verify.store.table_facts import TableFacts

# How a recipe was chosen, after its name where there is one.
HOW: dict[How, str] = {
    "named": "named by --recipe",
    "recognised": "recognised from the file's name",
    "own values": "none: values without --recipe are a protocol of their own",
    "neither": "none named, none recognised from the file's name",
    "given": "given",
    "library": "none: the protocol is the one that the model's library keeps for it",
    "table": "none: the size is that of the table's proof, the rest as the authors of ConvNeXt evaluate",
}

DATA_CHANGED = "files have other times than when the run began; images that were done then were not read again"


def fact_words(facts: RunFacts) -> dict[str, str]:
    """The facts that a report lists, by name and in its order."""
    machines = sorted(map(machine_words, facts.machines))
    return {
        **identity_words(facts.identity),
        "device": "; ".join(machines),
        **dict(_note_words(facts.notes, facts.identity)),
    }


def identity_words(identity: Identity) -> dict[str, str]:
    """What makes two runs the same one, by name; what a run lacks is left out."""
    versions = ", ".join(f"{package} {version}" for package, version in identity.versions.items())
    words = {
        "arch": _arch(identity.arch),
        "table": _table(identity.table) if identity.table else "",
        "models": ", ".join(f"{framework} by {model}" for framework, model in identity.models.items()),
        "source": _file(identity.source),
        "target": _file(identity.target),
        "protocol": protocol_words(identity.protocol, identity.recipe),
        "published": published_words(identity.recipe) if identity.recipe else "",
        "versions": versions,
    }
    if data := identity.data:
        words |= {
            "data classes": label_words(data.labels) if data.labels else "",
            "data fingerprint": data.fingerprint,
            "images": str(data.images),
            "class map": f"sha256 {data.class_map_sha256}" if data.class_map_sha256 else "",
            "batch size": str(data.batch_size),
        }
    return {name: text for name, text in words.items() if text}


def differing(one: Identity, other: Identity) -> list[str]:
    """The names of the facts in which two runs are not the same one."""
    ours, theirs = _values(one), _values(other)
    return [name for name, value in ours.items() if value != theirs[name]]


def _values(identity: Identity) -> dict[str, object]:
    """The identity's values by the name that its words have; None where a run lacks one."""
    data = identity.data
    return {
        "arch": identity.arch,
        "table": identity.table,
        "models": identity.models,
        "source": _taken(identity.source),
        "target": _taken(identity.target),
        "protocol": identity.protocol,
        "published": identity.recipe,
        "versions": identity.versions,
        "data classes": data and data.labels,
        "data fingerprint": data and data.fingerprint,
        "images": data and data.images,
        "class map": data and data.class_map_sha256,
        "batch size": data and data.batch_size,
    }


def _taken(file: CheckpointFile) -> tuple[object, ...]:
    """What makes two checkpoints the same one; the rest follows from it."""
    return file.files, file.wrapper, file.prefix


def _arch(arch: Architecture) -> str:
    recognised = ", recognised" if arch.recognised else ""
    norm = "" if arch.last_norm else ", no last norm"
    answer = f"{arch.classes} classes" if arch.classes else f"no head{norm}: features of {arch.features}"
    variant = f" ({arch.variant})" if arch.variant else ""
    return f"{arch.name}{variant}, {answer}, {arch.channels} input channels{recognised}"


def _table(table: TableFacts) -> str:
    proof = f"proven: {table.proof}" if table.proof else "not proven"
    said = f", protocol {table.said_by}" if table.said_by else ""
    return f"{table.file} sha256 {table.sha256}, {proof}{said}"


def _file(file: CheckpointFile) -> str:
    parts = [f"{part.name} sha256 {part.sha256}" for part in file.files]
    parts += [f"state dict {file.wrapper!r}"] if file.wrapper else []
    return ", ".join([*parts, *([f"prefix {file.prefix!r}"] if file.prefix else [])])


def protocol_words(protocol: Protocol, recipe: Recipe | None) -> str:
    """The protocol, and in what it departs from that of its recipe."""
    changes = differences(protocol, recipe.protocol) if recipe else ()
    return f"{protocol}, {not_published(changes)}" if changes else str(protocol)


def published_words(recipe: Recipe) -> str:
    """The accuracy that a recipe gave, with the decimals of its source."""
    top5 = "" if recipe.top5 is None else f", top-5 {recipe.top5:.{recipe.decimals}f}"
    return f"top-1 {recipe.top1:.{recipe.decimals}f}{top5}, {recipe.source}"


def how_words(how: How, recipe: Recipe | None) -> str:
    """Which recipe it is and how it was chosen, or why it is none."""
    return f"{recipe.name}, {HOW[how]}" if recipe else HOW[how]


def label_words(labels: LabelCounts) -> str:
    """How many labels there are, and how many images each has."""
    if labels.fewest == labels.most:
        each = counted(labels.most, "image")
    else:
        each = f"{labels.fewest:,} to {labels.most:,} images"
    return f"{labels.classes:,} with {each} each"


def data_words(place: DataPlace, images: int) -> str:
    """Where the images lay, how many they are, how they were found, and what was left out."""
    parts = [f"{place.name}: {counted(images, 'image')}", place.layout]
    parts += [f"{counted(place.ignored, 'file')} ignored"] * bool(place.ignored)
    parts += [f"{counted(place.unlisted, 'image')} not listed"] * bool(place.unlisted)
    return ", ".join(parts)


def machine_words(machine: Machine) -> str:
    """Where both frameworks computed, and with what."""
    setups = ", ".join(f"{framework} {_setup(setup)}" for framework, setup in machine.setups.items())
    return f"{machine.device}: {setups}" if setups else machine.device


def _setup(setup: Setup) -> str:
    if setup.threads is None:
        parts = [setup.gpu, f"TF32 {'on' if setup.tf32 else 'off'}", "cuDNN deterministic"]
    else:
        parts = [f"{setup.threads} threads"]
    parts += [f"{setup.engine} engine"] * (setup.engine != EAGER)
    return ", ".join([*parts, *(f"{name}={value}" for name, value in setup.variables.items())])


def _note_words(notes: Notes, identity: Identity) -> Iterator[tuple[str, str]]:
    if notes.data and identity.data:
        yield "data", data_words(notes.data, identity.data.images)
    if notes.how:
        yield "recipe", how_words(notes.how, identity.recipe)
    if notes.system:
        yield "system", notes.system
    if notes.shard.count > 1:
        yield "shard", str(notes.shard)
    if notes.merged:
        yield "merged", f"{counted(len(notes.merged), 'shard')}: {', '.join(map(str, notes.merged))}"
    if another := notes.another_run:
        yield "another run", f"kept as {another.kept_as}; other {', '.join(another.differs)}"
    if notes.data_changed:
        yield "data changed", DATA_CHANGED
    if notes.speed:
        yield "speed", speed_words(notes.speed)


def speed_words(speed: Speed) -> str:
    """How long the images took that were run now, and how many an earlier run had done."""
    rate = speed.images_per_second
    if rate is None:
        return f"all {speed.before:,} images were in the run store already"
    earlier = f"; {speed.before:,} images by an earlier run" if speed.before else ""
    return f"{speed.seconds:.1f} s for both frameworks, {rate:.1f} images/s{earlier}"
