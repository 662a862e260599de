"""Which file a run's rows go to: going on with a run that was ended, and never mixing two."""

from __future__ import annotations

import glob
import hashlib
import itertools
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

from verify.store.border import ANEW, StoreError
from verify.store.documents import facts_documents
from verify.store.facts import AnotherRun, RunFacts
from verify.store.lock import WriterLock
from verify.store.run_store import RunStore
from verify.store.schema import holds_nothing
from verify.store.shard import Shard
from verify.store.words import differing


def store_name(shard: Shard) -> str:
    """The file's name in a report's folder."""
    return "run.sqlite" if shard.count == 1 else f"run.{shard.number}-of-{shard.count}.sqlite"


def check_store(folder: Path, shard: Shard) -> None:
    """Looks whether a run can go on in that folder, before anything is loaded for it.

    Raises:
        StoreError: what stands in the store's place is no run store, or damaged.
    """
    path = folder / store_name(shard)
    if not holds_nothing(path):
        _read(path)


def open_run(folder: Path | None, shard: Shard, facts: RunFacts) -> RunStore:
    """The store of exactly this run: the one that was ended, or a new one.

    A store of another run that stands in its place is renamed, and a note says what differs; when that run comes
    again, its store is taken back. No file is ever renamed over another.

    Args:
        folder: of the report; None keeps the rows in memory.
        shard: of the data set.
        facts: what the run is of.

    Raises:
        StoreError: the file is no run store, or damaged, another process writes to it, or the disk fails.
    """
    if folder is None:
        store = RunStore(None)
    else:
        path = folder / store_name(shard)
        with ExitStack() as on_failure:
            lock = WriterLock(path)  # until the store is closed, so over all of the renaming
            on_failure.callback(lock.release)
            another = _make_way(path, facts)
            store = RunStore(path, lock)
            on_failure.pop_all()
        if store.holds_run:
            facts = _note_changes(facts, store.run())
        facts = replace(facts, notes=replace(facts.notes, another_run=another))
    try:
        store.put_run(facts)
    except BaseException:
        store.close()
        raise
    return store


def _make_way(path: Path, facts: RunFacts) -> AnotherRun | None:
    """Leaves at the path this run's own store, or none; says which other one stood there."""
    another = None
    if not holds_nothing(path):
        stored = _read(path)
        if stored and not (different := _differing(facts, stored)):
            return None
        if stored:
            another = AnotherRun(kept_as=_put_aside(path, stored), differs=different)
    if own := _find_aside(path, facts):
        _rename(own, path)
    return another


def _read(path: Path) -> RunFacts | None:
    """What the run of a store is; None where a run was ended before it noted that.

    The rows are read too: a damaged one is to end the run before it begins, not after its last image.
    """
    with closing(RunStore.open(path)) as store:
        rows = store.rows()
        if store.holds_run:
            return store.run()
        if rows:
            raise StoreError(f"{path}: is a damaged run store: it does not say what its rows are of; {ANEW}")
        return None


def _put_aside(path: Path, stored: RunFacts) -> str:
    """The name that the store of another run was given: of all such names the first that is free."""
    stem = _aside_stem(path, stored)
    for number in itertools.count(1):
        aside = path.with_name(f"{stem}-{number}.sqlite" if number > 1 else f"{stem}.sqlite")
        try:
            with aside.open("xb"):  # taken, so that nobody's file of that name is renamed over
                pass
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"{path}: is of another run and cannot be renamed: {error.strerror}") from error
        _rename(path, aside)
        return aside.name
    raise AssertionError("there is a number without a file")


def _find_aside(path: Path, facts: RunFacts) -> Path | None:
    """The store of this very run that another one's put aside; None if none did, or what is left of it is damaged."""
    for aside in sorted(path.parent.glob(f"{glob.escape(_aside_stem(path, facts))}*.sqlite")):
        with suppress(StoreError):
            if aside.is_symlink() or holds_nothing(aside):
                continue
            stored = _read(aside)
            if stored and not _differing(facts, stored):
                return aside
    return None


def _rename(path: Path, free: Path) -> None:
    """To a name under which nothing stands, or an empty file of ours."""
    try:
        path.replace(free)
    except OSError as error:
        raise StoreError(f"{path}: cannot be renamed to {free.name}: {error.strerror}") from error


def _differing(facts: RunFacts, stored: RunFacts) -> tuple[str, ...]:
    device = ["device"] if facts.machines != stored.machines else []
    return (*differing(facts.identity, stored.identity), *device)


def _note_changes(facts: RunFacts, stored: RunFacts) -> RunFacts:
    """The facts of a run that goes on, with a note where the images' files changed since it began."""
    began = stored.settings.files
    if began in ("", facts.settings.files):
        return facts
    return replace(facts, settings=replace(facts.settings, files=began), notes=replace(facts.notes, data_changed=True))


def _aside_stem(path: Path, facts: RunFacts) -> str:
    documents = facts_documents(facts)
    digest = hashlib.sha256((documents["identity"] + documents["machine"]).encode()).hexdigest()
    return f"{path.stem}.{digest[:8]}"
