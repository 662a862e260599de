"""Times `paddleferry inspect` against `cp`, each as a whole process, in turn.

    python scripts/bench_inspect.py                              convnext_xlarge, seven rounds
    python scripts/bench_inspect.py --arch convnext_tiny --rounds 9

The checkpoint is made here from seeded random weights. Memory is the peak of anonymous pages, sampled. Quote medians
and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_convert import MAKE, Run, measure_in_turn

INSPECT = "import sys, verify.program.commands as program; sys.exit(program.main())"
RATIO, PEAK_MB = 1.5, 200  # what the plain view of convnext_xlarge is to keep


def main() -> int:
    """Prints a row for each contender: median, range, ratio to cp, memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="convnext_xlarge", help="architecture of the checkpoint")
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds, after one that warms the page cache")
    parser.add_argument("--folder", help="where to make the files (default: the system's temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paddleferry-bench-", dir=args.folder) as folder:
        source, copy = Path(folder) / "source.pth", Path(folder) / "copy.pth"
        subprocess.run([sys.executable, "-c", MAKE, args.arch, str(source)], check=True, capture_output=True)
        print(f"{args.arch}: {source.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores, {args.rounds} rounds")
        inspect = [sys.executable, "-c", INSPECT, "inspect", str(source)]
        contenders = {
            "inspect": inspect,
            "cp": ["cp", str(source), str(copy)],
            "inspect --json": [*inspect, "--json"],
            "inspect --tensors": [*inspect, "--tensors"],
            "inspect --help": [*inspect, "--help"],
        }
        _report(measure_in_turn(contenders, args.rounds, [copy]))
    print(f"bar for the plain view of convnext_xlarge: {RATIO} x cp, {PEAK_MB} MB")
    return 0


def _report(runs: dict[str, list[Run]]) -> None:
    baseline = statistics.median(run.wall for run in runs["cp"])
    print(f"{'':<18}{'median s':>10}{'min':>8}{'max':>8}{'x cp':>8}{'peak MB':>9}")
    for name, measured in runs.items():
        walls = [run.wall for run in measured]
        median, peak = statistics.median(walls), max(run.peak for run in measured) / 1e6
        print(f"{name:<18}{median:>10.3f}{min(walls):>8.3f}{max(walls):>8.3f}{median / baseline:>8.2f}{peak:>9.0f}")


if __name__ == "__main__":
    sys.exit(main())
