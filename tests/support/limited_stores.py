"""Makes run stores in processes that may not write further than so many bytes into a file, and goes on with them.

The system ends such a process at the very write, as a kill does; where it ignores the signal, the write fails, as on a
full disk. Prints, for each limit and way, what was found of the store afterwards.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import closing
from pathlib import Path

from run_facts import facts_of_run

from convert.errors import FerryError
from verify.store.resume import open_run
from verify.store.rows import ImageFacts
from verify.store.shard import Shard

LIMITS = (*range(0, 6000, 640), *range(6144, 100 << 10, 4096))  # bytes; a new store has 40 kB
BATCHES = (range(1), range(1, 80))
FULL, KILLED = "full", "killed"


def run(folder: Path) -> str:
    """Opens the run, puts what it lacks of two batches, and says what it had."""
    try:
        with closing(open_run(folder, Shard(), facts_of_run())) as store:
            had = store.numbers()
            for batch in BATCHES:
                if batch.start not in had:
                    store.put_batch([ImageFacts(n, f"{n:0200}", None, 1, 1, "L", "cut") for n in batch], {})
            return f"{len(had)} images"
    except FerryError as error:
        return str(error)


def limited(folder: Path, limit: int, way: str) -> int:
    """Exit status of a process that did that under the limit."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1]
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if way == KILLED else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os._exit(0 if run(folder).endswith(" images") else 3)


def main(root: Path) -> None:
    found = {}
    for way in (FULL, KILLED):
        for limit in LIMITS:
            folder = root / f"{way}-{limit}"
            folder.mkdir()
            status = limited(folder, limit, way)
            found[f"{way} at {limit}"] = [status, run(folder), run(folder)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
