"""The second command of the README: format, lint, types and the whole test suite."""

from __future__ import annotations

import shutil
import sys

from environment import ensure, run_status, say

STEPS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    # Whole files go to a process, for their tests share what was made once, and in the files' order: by their number of
    # tests the longest would come last, and be waited for. Four processes: each takes 2 GB.
    "tests": [
        *("pytest", "--durations=10", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"),
        *("--no-loadscope-reorder", "-m", ""),
    ],
}


def main() -> int:
    """Runs every step, whichever fails; returns 1 if one did."""
    python = ensure("cpu,test")
    if not shutil.which("chromium"):
        say("the tests in a browser need the program `chromium`, which is not here: they are not run")
        STEPS["tests"][-1] = "not browser"
    failed = [
        name
        for name, command in STEPS.items()
        if run_status([python, "-m", *command], show=f"{name}: {' '.join(command)}")
    ]
    say(f"failed: {', '.join(failed)}" if failed else f"all of {', '.join(STEPS)} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
