"""`python -m verify` as a process, on a small pair."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.archs import get_spec

DIGITS = get_spec("convnext_digits")


@dataclass(frozen=True)
class Run:
    """A finished process, and its report's folder."""

    status: int
    out: str
    err: str
    report: Path

    @property
    def document(self) -> Any:
        return json.loads((self.report / "report.json").read_text())

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.report / "run.sqlite")) as database:
            return database.execute(query).fetchall()


def verify(folder: Path, *arguments: object) -> Run:
    """Runs the command on x.pth and x.pdparams in the folder, images in batches of 5, with its report beside them."""
    paths = ["--src", folder / "x.pth", "--dst", folder / "x.pdparams", "--report", folder / "out" / "report"]
    command = [sys.executable, "-m", "verify", "--arch", DIGITS.name, *paths, "--size", 64, *arguments]
    batches = ["--batch-size", 5] if "--data" in arguments else []
    process = subprocess.run([str(word) for word in [*command, *batches]], capture_output=True, text=True, timeout=120)
    return Run(process.returncode, process.stdout, process.stderr, folder / "out" / "report")


def accuracy_in(run: Run, framework: str) -> dict[str, float]:
    """Counted in plain Python over the store's rows."""
    query = "SELECT label, class1, class2, class3, class4, class5 FROM images JOIN predictions ON image = id"
    rows = run.select(f"{query} WHERE framework = '{framework}'")
    top1, top5 = sum(row[0] == row[1] for row in rows), sum(row[0] in row[1:] for row in rows)
    return {"top1": 100 * top1 / len(rows), "top5": 100 * top5 / len(rows)}
