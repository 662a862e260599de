"""Makes the project's own virtual environment under the checkout. Needs nothing but Python and pip."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
MINIMUM = (3, 10)
INPUTS = ("pyproject.toml", "constraints.txt")


def ensure(extras: str) -> Path:
    """Installs the project with those extras, unless that is done already, and returns the environment's Python.

    Args:
        extras: comma-separated, for example "cpu,test".
    """
    if sys.version_info < MINIMUM:
        sys.exit(f"paddleferry needs Python 3.10 or newer; this is {sys.version.split()[0]}")
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = ENVIRONMENT / "installed.txt"
    needed = _stamp_line(extras)
    if not python.exists():
        say(f"creating {ENVIRONMENT.relative_to(ROOT)}")
        venv.create(ENVIRONMENT, with_pip=True)
    lines = stamp.read_text().splitlines() if stamp.exists() else []
    if not any(_covers(line, needed) for line in lines):
        say(f"installing paddleferry[{extras}] with what was tested; the first time takes minutes and 6 GB")
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*command, "-c", "constraints.txt", "-e", f".[{extras}]"])
        stamp.write_text("\n".join([*lines, needed]) + "\n")
    return python


def run(command: list[str | Path], *, show: str = "") -> None:
    """Runs a command in the checkout; ends this program with the command's status if that is not 0."""
    status = run_status(command, show=show)
    if status:
        sys.exit(status)


def run_status(command: list[str | Path], *, show: str = "") -> int:
    """Runs a command in the checkout, saying which where `show` is given, and returns its status."""
    if show:
        say(show)
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode


def say(text: str) -> None:
    """One line of progress, before whatever the next command prints."""
    print(f"\n==> {text}", flush=True)


def _stamp_line(extras: str) -> str:
    content = b"".join((ROOT / name).read_bytes() for name in INPUTS)
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{hashlib.sha256(content).hexdigest()[:16]} {version} {','.join(sorted(extras.split(',')))}"


def _covers(line: str, needed: str) -> bool:
    key, _, extras = line.rpartition(" ")
    needed_key, _, needed_extras = needed.rpartition(" ")
    return key == needed_key and set(needed_extras.split(",")) <= set(extras.split(","))
