"""The first command of the README: converts the bundled sample and verifies it, accuracy included."""

from __future__ import annotations

import sys
from pathlib import Path

from environment import ROOT, ensure, run

CHECKPOINT = "verify/sample/convnext_digits.pth"
IMAGES = "verify/sample/images"
PROTOCOL = "--size 64 --resize 72 --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5"
FOLDER = "runs/sample"


def main() -> int:
    """Returns 0 when every gate holds; leaves with the status of the command that failed otherwise."""
    python = ensure("cpu")
    target = Path(FOLDER) / "convnext_digits.pdparams"
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    _run(python, f"convert --arch convnext_digits --src {CHECKPOINT} --dst {target} --force")
    pair = f"--arch convnext_digits --src {CHECKPOINT} --dst {target}"
    _run(python, f"verify {pair} --data {IMAGES} {PROTOCOL} --report {FOLDER}")
    print(f"\nOpen {FOLDER}/report.html; report.md, report.json, junit.xml and run.sqlite are beside it.")
    return 0


def _run(python: Path, command: str) -> None:
    run([python, "-m", *command.split()], show=command)


if __name__ == "__main__":
    sys.exit(main())
