"""Which file a run's rows go to: going on with a run that was ended, and never mixing two."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from verify.store.rows import RunFacts
from verify.store.run_store import RunStore, StoreError
from verify.store.shard import Shard

FILES = "files"  # the setting that tells in which state the images' files were
CHANGED = "files have other times than when the run began; images that were done then were not read again"


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
    stored = store.run()
    ours, theirs = _sameness(facts), _sameness(stored)
    different = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if stored.identity and different:
        aside = path.with_name(f"{path.stem}.{_digest(stored)}.sqlite")
        store.close()
        try:
            path.replace(aside)
        except OSError as error:
            raise StoreError(f"{path}: is of another run and cannot be renamed: {error.strerror}") from error
        facts = facts.with_notes(**{"another run": f"kept as {aside.name}; other {', '.join(different)}"})
        store = RunStore(path)
    else:
        facts = _note_changes(facts, stored)
    store.put_run(facts)
    return store


def _note_changes(facts: RunFacts, stored: RunFacts) -> RunFacts:
    """The facts of a run that goes on, with a note where the images' files changed since it began."""
    began = stored.settings.get(FILES)
    if began in (None, facts.settings.get(FILES)):
        return facts
    kept = replace(facts, settings={**facts.settings, FILES: began})
    return kept.with_notes(**{"data changed": CHANGED})


def _sameness(facts: RunFacts) -> dict[str, str]:
    return {**facts.identity, **facts.machine}


def _digest(facts: RunFacts) -> str:
    return hashlib.sha256(json.dumps(_sameness(facts), sort_keys=True).encode()).hexdigest()[:8]
