"""Shards of one run, from whatever machines, as one result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from convert.errors import counted
from convert.paths import status_of
from verify.gate import Gate, Verdict
from verify.store.rows import ImageRow, RunFacts
from verify.store.run_store import RunStore, StoreError

WORST_FIRST = (Verdict.FAILED, Verdict.NOT_RUN, Verdict.PASSED)


@dataclass(frozen=True)
class Merged:
    """What the shards hold together.

    Attributes:
        facts: of the whole run; what depends on the machine names each one.
        gates: of the checkpoints; of each, the worst that a shard found.
        rows: every image once, in the data set's order.
    """

    facts: RunFacts
    gates: tuple[Gate, ...]
    rows: list[ImageRow]


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
        gates = [store.gates() for store in stores.values()]
        rows = {path: store.numbered_rows() for path, store in stores.items()}
    _check_same(facts)
    joined = _join(rows, facts)
    return Merged(_facts(facts), _worst_gates(gates), [joined[number] for number in sorted(joined)])


def _check_same(facts: Mapping[Path, RunFacts]) -> None:
    first, *others = facts
    for path in (first, *others):
        if not facts[path].identity:
            raise StoreError(f"{path}: holds no run; name the run stores that `verify --report` wrote")
    for path in others:
        for key in {**facts[first].identity, **facts[path].identity}:
            one, other = (facts[p].identity.get(key, "nothing") for p in (first, path))
            if one != other:
                raise StoreError(
                    f"{path}: is of another run than {first}: its {key} is {other}, not {one}; "
                    "run that shard anew, or leave the file out"
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
    total = int(next(iter(facts.values())).identity["images"])
    if missing := sorted(set(range(total)) - joined.keys()):
        shards = ", ".join(sorted({run.notes.get("shard", "1/1") for run in facts.values()}))
        raise StoreError(
            f"{counted(len(missing), 'image')} of {total:,} in none of the files, the first at position "
            f"{missing[0]:,}; given: {shards}. Add the other shards, and let each run to its end"
        )
    return joined


def _facts(facts: Mapping[Path, RunFacts]) -> RunFacts:
    runs = list(facts.values())
    machine = {key: "; ".join(_distinct(run.machine.get(key, "") for run in runs)) for key in runs[0].machine}
    shards = sorted((run.notes.get("shard", "1/1") for run in runs), key=lambda text: int(text.partition("/")[0]))
    data = {"data": runs[0].notes["data"]} if "data" in runs[0].notes else {}
    merged = {"merged": f"{counted(len(runs), 'shard')}: {', '.join(shards)}"}
    settings = {**runs[0].settings, "listed": runs[0].settings["all listed"]}
    return RunFacts(runs[0].identity, machine, {**data, **merged}, settings)


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _worst_gates(by_shard: Sequence[Sequence[Gate]]) -> tuple[Gate, ...]:
    """The worst outcome of each gate in any shard; where none failed, the one whose numbers sort first."""
    names = list(dict.fromkeys(gate.name for gates in by_shard for gate in gates))
    return tuple(
        min(
            (gate for gates in by_shard for gate in gates if gate.name == name),
            key=lambda gate: (WORST_FIRST.index(gate.verdict), gate.measured),
        )
        for name in names
    )
