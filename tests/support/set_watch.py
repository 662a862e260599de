"""A watch over what reading a hostile validation set takes, in a process of its own.

python tests/support/set_watch.py            each set's seconds and memory until it is refused, and what is said
python tests/support/set_watch.py --json     the same for programs
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from convert.errors import FerryError  # noqa: E402 - after the path above
from verify.datasets import read_dataset  # noqa: E402 - after the path above

GOOD = {"parquet": "a good parquet set", "devkit": "a good devkit"}  # by how their readers' own memory is known


@dataclass(frozen=True)
class Watched:
    """What reading a set came to.

    Attributes:
        text: the error's, without the place of the folder; "accepted", or another error's own.
        seconds: until then.
        mebibytes: of memory beyond what the process held before.
        of_reader: mebibytes of the largest process that it started.
    """

    text: str
    seconds: float
    mebibytes: float
    of_reader: float


def watch(root: Path, num_classes: int, *, labelled: bool = True, limit: float = 60.0) -> Watched:
    """Reads the set in a process of its own, and waits for it so many seconds at most."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _read(root, num_classes, writing, labelled=labelled, limit=limit)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return Watched(*json.loads(answer)) if answer else Watched("ended", limit, float("nan"), float("nan"))


def _read(root: Path, num_classes: int, pipe: int, *, labelled: bool, limit: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, limit)
    before, begin = _peak(resource.RUSAGE_SELF), time.perf_counter()
    try:
        read_dataset(root, num_classes, labelled=labelled)
        text = "accepted"
    except FerryError as error:
        text = str(error).replace(str(root), "")
    except BaseException as error:  # noqa: BLE001  (the process ends here, and this is told)
        text = f"traceback: {error!r}"[:300]
    peaks = _peak(resource.RUSAGE_SELF) - before, _peak(resource.RUSAGE_CHILDREN)
    os.write(pipe, json.dumps([text[:2000], time.perf_counter() - begin, *(peak / 1024 for peak in peaks)]).encode())
    os._exit(0)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss


def watch_all(folder: Path) -> dict[str, Watched]:
    """Makes and reads every hostile set, and a good one of each reader first."""
    made = folder / "made.json"
    if not (child := os.fork()):  # what makes them has its memory to itself
        made.write_text(json.dumps(_make_all(folder)))
        os._exit(0)
    os.waitpid(child, 0)
    return {kind: watch(Path(root), classes) for kind, root, classes in json.loads(made.read_text())}


def _make_all(folder: Path) -> list[tuple[str, str, int]]:
    """Kind, folder and number of classes of each set."""
    from hostile_archives import KITS, TARS
    from hostile_parquets import PARQUETS
    from validation_sets import devkit, flat, parquet

    good = {GOOD["parquet"]: (parquet, ""), GOOD["devkit"]: (lambda root: devkit(flat(root)), "")}
    made: list[tuple[str, str, int]] = []
    for classes, sets in ((1000, good), (3, PARQUETS), (1000, TARS), (1000, KITS)):
        for kind, (make, _) in sets.items():
            root = folder / str(len(made))
            make(root)
            made.append((kind, str(root), classes))
    return made


def main() -> None:
    """Prints a line for each set."""
    with tempfile.TemporaryDirectory() as folder:
        watched = watch_all(Path(folder))
    if "--json" in sys.argv:
        print(json.dumps({kind: vars(row) for kind, row in watched.items()}))
        return
    for kind, row in watched.items():
        print(f"{kind:<46}{row.seconds:>6.2f} s {row.mebibytes:>5.0f}{row.of_reader:>5.0f} MiB  {row.text}")


if __name__ == "__main__":
    main()
