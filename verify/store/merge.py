"""Shards of one run, from whatever machines, as one result."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from convert.errors import counted, shown
from convert.paths import status_of
from verify.gate import Gate, Verdict
from verify.store.border import StoreError
from verify.store.facts import Notes, RunFacts
from verify.store.rows import ImageRow
from verify.store.run_store import RunStore
from verify.store.words import differing, identity_words, machine_words

SHOWN = 400  # characters of a fact in an error; a sharded checkpoint's digests are longer
WORST_FIRST = (Verdict.FAILED, Verdict.NOT_RUN, Verdict.PASSED)


@dataclass(frozen=True)
class KeptGates:
    """The gates of one shard.

    Attributes:
        path: of its store.
        asked: names of the gates that the run noted to have.
        gates: that its store has.
    """

    path: Path
    asked: tuple[str, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Merged:
    """What the shards hold together.

    Attributes:
        facts: of the whole run; what depends on the machine names each one.
        gates: of the checkpoints; of each, the worst that a shard found.
        rows: every image once, in the data set's order.
        shards: the gates of each.
    """

    facts: RunFacts
    gates: tuple[Gate, ...]
    rows: list[ImageRow]
    shards: tuple[KeptGates, ...]


def merge(paths: Sequence[Path]) -> Merged:
    """Joins the run stores of every shard, in whatever order they are given.

    Raises:
        StoreError: a file is no run store, is of another run, holds images that another file holds too, or an image
            is in none.
    """
    for path in paths:
        status_of(path)  # which tells more of a path that cannot be than what follows
    if twice := [path for path in paths if [p.resolve() for p in paths].count(path.resolve()) > 1]:
        raise StoreError(f"{twice[0]}: is named twice")
    with ExitStack() as stack:
        stores = {path: stack.enter_context(closing(RunStore.open(path))) for path in paths}
        facts = {path: store.run() for path, store in stores.items()}
        _check_same(facts)
        for path, store in stores.items():
            _check_count(path, store.count(), facts[path])
        shards = [KeptGates(path, facts[path].settings.gates, tuple(store.gates())) for path, store in stores.items()]
        rows = {path: store.numbered_rows() for path, store in stores.items()}
    joined = _join(rows, facts)
    ordered = [joined[number] for number in sorted(joined)]
    return Merged(_facts(facts), _worst_gates([shard.gates for shard in shards]), ordered, tuple(shards))


def _check_count(path: Path, count: int, facts: RunFacts) -> None:
    """Before the rows take memory."""
    if count > (listed := facts.settings.listed.count):
        raise StoreError(f"{path}: holds {counted(count, 'image')} of a shard of {listed:,}; leave it out")


def _check_same(facts: Mapping[Path, RunFacts]) -> None:
    first, *others = facts
    for path in others:
        if different := differing(facts[first].identity, facts[path].identity):
            name = different[0]
            one, other = (identity_words(facts[p].identity).get(name, "nothing") for p in (first, path))
            raise StoreError(
                f"{path}: is of another run than {first}: its {name} is {shown(other, SHOWN)}, not "
                f"{shown(one, SHOWN)}; run that shard anew, or leave the file out"
            )


def _join(rows: Mapping[Path, Mapping[int, ImageRow]], facts: Mapping[Path, RunFacts]) -> dict[int, ImageRow]:
    joined: dict[int, ImageRow] = {}
    owner: dict[int, Path] = {}
    for path, images in rows.items():
        if common := joined.keys() & images.keys():
            number = min(common)
            raise StoreError(
                f"{path}: holds {joined[number].name} and {counted(len(common) - 1, 'more image')} that "
                f"{owner[number]} holds too; name each shard once"
            )
        joined.update(images)
        owner.update(dict.fromkeys(images, path))
    total = next(iter(facts.values())).settings.all_listed.count
    if strange := [number for number in joined if not 0 <= number < total]:
        raise StoreError(f"{owner[strange[0]]}: holds image {strange[0]:,} of a data set of {total:,}; leave it out")
    if len(joined) < total:
        missing = next(number for number in itertools.count() if number not in joined)
        shards = ", ".join(sorted({str(run.notes.shard) for run in facts.values()}))
        raise StoreError(
            f"{counted(total - len(joined), 'image')} of {total:,} in none of the files, the first at position "
            f"{missing:,}; given: {shards}. Add the other shards, and let each run to its end"
        )
    return joined


def _facts(facts: Mapping[Path, RunFacts]) -> RunFacts:
    runs = list(facts.values())
    machines = {machine_words(machine): machine for run in runs for machine in run.machines}
    shards = sorted((run.notes.shard for run in runs), key=lambda shard: shard.number)
    return RunFacts(
        identity=runs[0].identity,
        machines=tuple(machines[words] for words in sorted(machines)),
        notes=Notes(
            data=runs[0].notes.data,
            merged=tuple(shards),
            data_changed=any(run.notes.data_changed for run in runs),
        ),
        settings=replace(runs[0].settings, listed=runs[0].settings.all_listed),
    )


def _worst_gates(by_shard: Sequence[Sequence[Gate]]) -> tuple[Gate, ...]:
    """The worst outcome of each gate in any shard; where none failed, the one whose numbers sort first."""
    names = list(dict.fromkeys(gate.name for gates in by_shard for gate in gates))
    return tuple(
        min(
            (gate for gates in by_shard for gate in gates if gate.name == name),
            key=lambda gate: (WORST_FIRST.index(gate.verdict), gate.outcome),
        )
        for name in names
    )
