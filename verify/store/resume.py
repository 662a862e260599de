"""Which file a run's rows go to: going on with a run that was ended, and never mixing two."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from verify.store.documents import facts_documents
from verify.store.facts import AnotherRun, RunFacts
from verify.store.run_store import RunStore, StoreError
from verify.store.shard import Shard
from verify.store.words import differing


def store_name(shard: Shard) -> str:
    """The file's name in a report's folder."""
    return "run.sqlite" if shard.count == 1 else f"run.{shard.number}-of-{shard.count}.sqlite"


def open_run(folder: Path | None, shard: Shard, facts: RunFacts) -> RunStore:
    """The store of exactly this run: the one that was ended, or a new one.

    A store of another run that stands in its place is renamed, and a note says what differs.

    Args:
        folder: of the report; None keeps the rows in memory.
        shard: of the data set.
        facts: what the run is of.

    Raises:
        StoreError: the file is no run store, another process writes to it, or the disk fails.
    """
    if folder is None:
        store = RunStore(None)
        store.put_run(facts)
        return store
    path = folder / store_name(shard)
    store = RunStore(path)
    if not store.holds_run:
        store.put_run(facts)
        return store
    try:
        stored = store.run()
    except StoreError:
        store.close()
        raise
    if different := _differing(facts, stored):
        aside = path.with_name(f"{path.stem}.{_digest(stored)}.sqlite")
        store.close()
        try:
            path.replace(aside)
        except OSError as error:
            raise StoreError(f"{path}: is of another run and cannot be renamed: {error.strerror}") from error
        another = AnotherRun(kept_as=aside.name, differs=different)
        facts = replace(facts, notes=replace(facts.notes, another_run=another))
        store = RunStore(path)
    store.put_run(facts)
    return store


def _differing(facts: RunFacts, stored: RunFacts) -> tuple[str, ...]:
    device = ["device"] if facts.machines != stored.machines else []
    return (*differing(facts.identity, stored.identity), *device)


def _digest(facts: RunFacts) -> str:
    documents = facts_documents(facts)
    return hashlib.sha256((documents["identity"] + documents["machine"]).encode()).hexdigest()[:8]
