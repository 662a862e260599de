"""Damages run stores at random, merges them and goes on with them.

    python scripts/fuzz_store.py                          a thousand: about a minute
    python scripts/fuzz_store.py --count 100000 --seed 7

Bits and bytes are changed, files cut, pages exchanged, and SQL is run that gives values of other types, takes rows
away or changes the tables. Every case has a number, and the same number and seed make the same case. What must hold:
each is refused with an error that names the store, or gives the very result of the undamaged one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from store_fuzz import Victim  # noqa: E402 - after the path above

OUTCOMES = ("refused", "same", "silent", "traceback")


def main(argv: list[str] | None = None) -> int:
    """Runs the cases; returns 1 if one was silent, or ended in an error that is not ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="damaged stores")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other damage")
    args = parser.parse_args(argv)
    seen: Counter[str] = Counter()
    slowest = (0.0, 0)
    with tempfile.TemporaryDirectory(prefix="fuzz-store-") as folder:
        victim = Victim(Path(folder))
        for number in tqdm(range(args.seed << 32, (args.seed << 32) + args.count), disable=None):
            start = time.monotonic()
            outcome = _outcome(victim, number)
            slowest = max(slowest, (time.monotonic() - start, number))
            seen[outcome.partition(":")[0]] += 1
            if outcome not in ("refused", "same"):
                print(f"{number}: {outcome}")
    print(", ".join(f"{seen[name]:,} {name}" for name in OUTCOMES))
    print(f"slowest: {slowest[0]:.2f} s, number {slowest[1]}")
    return int(bool(seen["silent"] or seen["traceback"]))


def _outcome(victim: Victim, number: int) -> str:
    try:
        return victim.outcome(number)
    except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
        return f"traceback: {traceback.format_exc()}"


if __name__ == "__main__":
    sys.exit(main())
