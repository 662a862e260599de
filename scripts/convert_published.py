"""Converts every published checkpoint's name, each on a file made as timm makes it and served on loopback.

    python scripts/convert_published.py                         all of them: 58 GB are made, ten minutes on two cores
    python scripts/convert_published.py --only convnextv2 --largest 1000

Nothing is downloaded. A file of timm has the names and shapes of timm's own constructor; one of the authors has theirs,
and timm's own filter is asked what its model would hold of it. Values are random, those of no two tensors alike. Each
name goes through the command line as a user would give it; what must hold: exit status 0, and every tensor of the
target is, bit for bit, the one that timm's model would hold. The files go to --folder, one at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import mmap
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from published import (  # noqa: E402 - after the path above
    ISOTROPIC,
    difference,
    filtered_by_timm,
    is_of_authors,
    shapes_in,
    spec_of,
)
from server import serving  # noqa: E402 - after the path above

from convert.checkpoints import read_checkpoint  # noqa: E402 - after the path above
from convert.cli import main as convert  # noqa: E402 - after the path above
from convert.console import aligned  # noqa: E402 - after the path above
from convert.key_formats import name_officially  # noqa: E402 - after the path above
from convert.source.pretrained import PRETRAINED, Pretrained  # noqa: E402 - after the path above

MEGABYTE = 1_000_000
RING = np.random.default_rng(0).standard_normal(1 << 22, dtype=np.float32)  # that every tensor's values are a part of


def tensors_of(row: Pretrained) -> dict[str, torch.Tensor]:
    """The published file's tensors, each with values of its own."""
    tensors = {}
    for number, (key, shape) in enumerate(shapes_in(row).items()):
        values = np.resize(np.roll(RING, -997 * number), shape)
        tensors[key] = torch.from_numpy(values)
    return tensors


def size_of(row: Pretrained) -> int:
    """Bytes of the published file's tensors."""
    return sum(4 * param.size for param in spec_of(row).params())


def save(tensors: dict[str, torch.Tensor], row: Pretrained, folder: Path) -> Path:
    """A file in the container that the published one has, wrapped as the authors' are."""
    path = folder / f"source{Path(row.url).suffix}"
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save({"model": tensors} if is_of_authors(row) else tensors, path)
    return path


@contextlib.contextmanager
def published_at(row: Pretrained, path: Path) -> Iterator[None]:
    """Has the name stand for that file, at an address of this machine."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        with serving(content=view) as server:
            PRETRAINED[row.name] = dataclasses.replace(row, url=f"{server.url}/{path.name}")
            try:
                yield
            finally:
                PRETRAINED[row.name] = row
        server.content = b""
        view.release()


def problem_of(row: Pretrained, folder: Path) -> str:
    """What is wrong with the conversion of that name; empty if nothing is."""
    tensors = tensors_of(row)
    path, target = save(tensors, row, folder), folder / "x.pdparams"
    said = io.StringIO()
    with published_at(row, path), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = convert(["--src", row.name, "--dst", str(target)])
    path.unlink()
    if status:
        return f"exit status {status}: {said.getvalue().strip().splitlines()[-1]}"
    expected = tensors
    if is_of_authors(row) and ISOTROPIC not in row.name:
        expected = filtered_by_timm(tensors, row)
    named = name_officially({key: tensor.numpy() for key, tensor in expected.items()}).tensors
    return difference(read_checkpoint(target).tensors, named, spec_of(row))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="only the names that have it")
    parser.add_argument("--largest", type=int, default=0, metavar="MB", help="leave out larger files")
    parser.add_argument("--folder", type=Path, default=None, metavar="DIR", help="where the files go for a while")
    args = parser.parse_args(argv)
    rows = [row for row in PRETRAINED.values() if args.only in row.name]
    chosen = [row for row in rows if not args.largest or size_of(row) <= args.largest * MEGABYTE]
    table, failed = [("name", "answers with", "MB", "s", "result")], 0
    for row in chosen:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            os.environ.update(PADDLEFERRY_CACHE=f"{folder}/cache", no_proxy="127.0.0.1")
            problem = problem_of(row, Path(folder))
        failed += bool(problem)
        seconds = f"{time.monotonic() - begun:.1f}"
        table.append((row.name, spec_of(row).answer, f"{size_of(row) / MEGABYTE:.0f}", seconds, problem or "converted"))
        print(f"{len(table) - 1} of {len(chosen)}: {row.name}: {problem or 'converted'}", file=sys.stderr)
    print("\n".join(aligned(table)))
    print(f"{len(chosen) - failed} of {len(chosen)} names converted; {len(rows) - len(chosen)} left out as too large")
    return int(bool(failed) or not chosen)


if __name__ == "__main__":
    sys.exit(main())
