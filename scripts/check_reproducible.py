"""Builds one `.pdparams` from one `.pth` under every environment and circumstance, and compares the bytes.

    python3 scripts/check_reproducible.py
    python3 scripts/check_reproducible.py --src x.pth --arch convnext_tiny

Two environments, made under .venv-matrix: numpy 1.26 with paddlepaddle 2.6, numpy 2.4 with paddlepaddle 3.3. In each,
hash seeds, locales, working directories and what the process did before. Then each environment's `paddle.load` reads
the file, and must find the same values. Exit status 0 if there is one SHA-256 and one digest of values.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from environment import ROOT, say

MATRIX = {
    "numpy 1.26, paddle 2.6": ["numpy==1.26.4", "paddlepaddle==2.6.2", "setuptools"],
    "numpy 2.4, paddle 3.3": ["numpy==2.4.6", "paddlepaddle==3.3.1"],
}
COMMON = ["pillow", "tqdm"]

CIRCUMSTANCES: dict[str, dict[str, str]] = {
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "locale C": {"LC_ALL": "C", "LANG": "C"},
    "locale C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "one thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "another folder": {"FERRY_FOLDER": "yes"},
    "after other layers": {"FERRY_HISTORY": "yes"},
}

# Paddle names tensors by counting the process's layers: `paddle.save` writes other bytes after such a history.
CONVERT = """\
import os, sys
if os.environ.get("FERRY_HISTORY"):
    import paddle
    kept = [paddle.nn.Linear(3, 4) for _ in range(7)]
from convert.cli import main
sys.exit(main(sys.argv[1:]))
"""

LOAD = """\
import hashlib, sys, paddle
state_dict = paddle.load(sys.argv[1])
digest = hashlib.sha256()
for name in sorted(state_dict):
    array = state_dict[name].numpy()
    digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
print(digest.hexdigest())
"""


def main() -> int:
    """Prints a line for each build and load; returns 1 where two differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, default=ROOT / "verify/sample/convnext_digits.pth")
    parser.add_argument("--arch", default="convnext_digits")
    args = parser.parse_args()
    pythons = {name: _environment(name, packages) for name, packages in MATRIX.items()}
    with tempfile.TemporaryDirectory(prefix="paddleferry-") as folder:
        files = _build(pythons, args.arch, args.src.resolve(), Path(folder))
        values = {name: _run(python, LOAD, [str(files[0])], {}) for name, python in pythons.items()}
        built = {_sha256(file) for file in files}
    for name, digest in values.items():
        print(f"{name:<26}loads  values {digest}")
    print(f"\n{len(files)} builds, {len(built)} SHA-256: {', '.join(sorted(built))}")
    return 0 if len(built) == 1 and len(set(values.values())) == 1 else 1


def _environment(name: str, packages: list[str]) -> Path:
    folder = ROOT / ".venv-matrix" / "".join(char if char.isalnum() else "-" for char in name)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "installed.txt").exists():
        say(f"making {folder.relative_to(ROOT)}")
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages, *COMMON]
        subprocess.run(install, check=True)
        (folder / "installed.txt").write_text("\n".join(packages))
    return python


def _build(pythons: dict[str, Path], arch: str, source: Path, folder: Path) -> list[Path]:
    files: list[Path] = []
    for name, python in pythons.items():
        for circumstance, variables in CIRCUMSTANCES.items():
            target = folder / f"{len(files)}.pdparams"
            where = folder if "FERRY_FOLDER" in variables else ROOT
            command = ["--arch", arch, "--src", str(source), "--dst", str(target)]
            _run(python, CONVERT, command, variables, where)
            print(f"{name:<26}{circumstance:<20}{_sha256(target)}", flush=True)
            files.append(target)
    return files


def _run(python: Path, code: str, arguments: list[str], variables: dict[str, str], where: Path = ROOT) -> str:
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    command = [str(python), "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, cwd=where, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[4:])} failed:\n{done.stderr}")
    return done.stdout.strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
