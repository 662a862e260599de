"""Writes over files at random moments while `convert` or `verify` reads them, and looks at what comes of it.

    python scripts/change_files.py                       300 conversions, 30 verifications: some ten minutes
    python scripts/change_files.py --convert 40 --verify 0

A source is overwritten by another model's file, as rsync --inplace does or slowly, cut short, written anew as `cp` and
torch.save do, or loses its name to another file. What must hold of a conversion: its target is one of the two models,
complete, or there is none and the message names the cause. Of a verification, of which a file becomes one that
runs code when it is unpickled: no code runs, and a verdict is of the files that stood there before. No process may end
by a signal or with a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# A forked process must find no thread running, and changes should fall on the reading, not on imports.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - after the path above

import convert.job  # noqa: E402 - after the path above
import convert.summary  # noqa: E402 - after the path above, loaded before the fork
from convert import get_spec, write_checkpoint  # noqa: E402 - after the path above
from convert.cli import main as convert_main  # noqa: E402 - after the path above
from convert.state_dict import convert_state_dict  # noqa: E402 - after the path above

ARCH = "convnext_atto"  # 15 MB: long enough in the reading for most changes to fall there
PIECE = 256 * 1024
LONG_AGO = 1_600_000_000  # seconds; a file of now would be waited for
SUFFIXES = (".pth", ".safetensors", ".pdparams")
CAUSES = ("changed while it was read", "is empty (0 bytes)", "cannot be read", "cut short", "no header", "fails its")

RIGHT, REFUSED = "right: one model, complete", "refused with the cause"
MIXED, UNNAMED, SIGNAL, RAN = "MIXED", "refused, CAUSE UNNAMED", "ended by a SIGNAL", "CODE RAN"
BAD = (MIXED, UNNAMED, SIGNAL, RAN)


def overwrite(path: Path, content: bytes, pause: float = 0.0) -> None:
    """Writes over a file in place, piece by piece."""
    with path.open("r+b", buffering=0) as file:
        for position in range(0, len(content), PIECE):
            file.write(content[position : position + PIECE])
            time.sleep(pause)


def overwrite_slowly(path: Path, content: bytes) -> None:
    overwrite(path, content, pause=0.002)


def cut(path: Path, content: bytes) -> None:
    os.truncate(path, len(content) // 3)


def rewrite(path: Path, content: bytes) -> None:
    """Cuts a file to nothing and writes it anew."""
    path.write_bytes(content)


def replace(path: Path, content: bytes) -> None:
    """Gives a file's name to another file."""
    other = path.with_name("other")
    other.write_bytes(content)
    other.replace(path)


CHANGES: tuple[Callable[[Path, bytes], None], ...] = (overwrite, overwrite_slowly, cut, rewrite, replace)


class Runs:
    """What leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@dataclass
class Trial:
    """Two models' files in a folder, what each converts to, and what was seen."""

    folder: Path
    seen: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Makes the files of every container, and what each becomes."""
        self.content: dict[str, list[bytes]] = {}
        self.converted: dict[str, list[bytes]] = {}
        self.seconds: dict[str, float] = {}
        for suffix in SUFFIXES:
            framework = "paddle" if suffix == ".pdparams" else "torch"
            times = []
            self.content[suffix], self.converted[suffix] = [], []
            for seed in range(2):
                write_checkpoint(self.source(suffix), weights(seed, framework), framework=framework, force=True)
                self.content[suffix].append(self.source(suffix).read_bytes())
                self.settle(suffix)
                begin = time.perf_counter()
                assert self.finish(self.start(suffix)) == 0
                times.append(time.perf_counter() - begin)
                self.converted[suffix].append(self.target(suffix).read_bytes())
            self.seconds[suffix] = statistics.median(times)

    def source(self, suffix: str) -> Path:
        return self.folder / f"x{suffix}"

    def target(self, suffix: str) -> Path:
        return self.folder / f"y{'.safetensors' if suffix == '.pdparams' else '.pdparams'}"

    def settle(self, suffix: str) -> None:
        os.utime(self.source(suffix), (LONG_AGO, LONG_AGO))

    def start(self, suffix: str) -> int:
        """A process that converts the source; returns its id."""
        child = os.fork()
        if child:
            return child
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 2)
        with contextlib.redirect_stdout(Path(os.devnull).open("w")):
            status = convert_main(["--src", str(self.source(suffix)), "--dst", str(self.target(suffix)), "--force"])
        os._exit(status)

    def finish(self, child: int) -> int:
        """The exit status of a process; below 0, the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def change_while_converting(self, rng: random.Random) -> None:
        """One conversion, whose source changes at a random moment of it."""
        suffix, change = rng.choice(SUFFIXES), rng.choice(CHANGES)
        self.source(suffix).unlink(missing_ok=True)
        self.source(suffix).write_bytes(self.content[suffix][0])
        self.settle(suffix)
        self.target(suffix).unlink(missing_ok=True)
        child = self.start(suffix)
        time.sleep(rng.uniform(0, 0.7 * self.seconds[suffix]))
        change(self.source(suffix), self.content[suffix][1])
        status = self.finish(child)
        made = self.target(suffix).read_bytes() if self.target(suffix).exists() else b""
        said = (self.folder / "log").read_text(errors="replace")
        self.note(f"convert {suffix}, {change.__name__}", self.judge(suffix, status, made, said), said)

    def judge(self, suffix: str, status: int, made: bytes, said: str) -> str:
        if status < 0:
            return SIGNAL
        if status == 0:
            return RIGHT if made in self.converted[suffix] else MIXED
        named = status == 1 and not made and "Traceback" not in said and any(cause in said for cause in CAUSES)
        return REFUSED if named else UNNAMED

    def note(self, what: str, outcome: str, said: str) -> None:
        self.seen[outcome] += 1
        if outcome in BAD:
            self.examples.append(f"{what}: {outcome}: {said[:400]}")


def weights(seed: int, framework: str) -> dict[str, np.ndarray]:
    rng, spec = np.random.default_rng(seed), get_spec(ARCH)
    torch = {param.torch_name: rng.standard_normal(param.shape, np.float32) for param in spec.params()}
    return convert_state_dict(spec, torch) if framework == "paddle" else torch


@dataclass
class Verification:
    """The bundled sample's pair in a folder, exchanged while it is verified."""

    folder: Path
    trial: Trial

    def prepare(self) -> None:
        """Converts the sample, and takes the time of a verification that is left alone."""
        self.source = self.folder / "convnext_digits.pth"
        self.target = self.folder / "convnext_digits.pdparams"
        self.pair = {self.source: (ROOT / "verify" / "sample" / self.source.name).read_bytes(), self.target: b""}
        self.source.write_bytes(self.pair[self.source])
        convert.job.Job.read("", self.source).write(self.target)
        self.pair[self.target] = self.target.read_bytes()
        self.digests = {path.name: hashlib.sha256(content).hexdigest() for path, content in self.pair.items()}
        begin = time.perf_counter()
        if self.start().wait():
            raise SystemExit("change_files: a verification that was left alone failed")
        self.seconds = time.perf_counter() - begin

    def start(self) -> subprocess.Popen[str]:
        for path, content in self.pair.items():
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            os.utime(path, (LONG_AGO, LONG_AGO))
        command = [sys.executable, "-m", "verify", "--src", str(self.source), "--dst", str(self.target), "--json"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)

    def change_while_verifying(self, rng: random.Random) -> None:
        """One verification, of which a file becomes another that runs code."""
        mark = self.folder / "it ran"
        path, change = rng.choice((self.source, self.target)), rng.choice(CHANGES)
        process = self.start()
        time.sleep(rng.uniform(0, rng.choice((1.0, self.seconds))))  # the files are read within the first
        change(path, pickle.dumps(Runs(mark)) * 1000)
        out, err = process.communicate()
        what = f"verify {path.name}, {change.__name__}"
        self.trial.note(what, RAN if mark.exists() else self.judge(process.returncode, out, err), err)
        if mark.exists():
            mark.rmdir()

    def judge(self, status: int, out: str, err: str) -> str:
        if status < 0:
            return SIGNAL
        if status == 0:
            facts = json.dumps(json.loads(out)["facts"])
            return RIGHT if all(digest in facts for digest in self.digests.values()) else MIXED
        named = status == 1 and "Traceback" not in err and any(cause in err for cause in (*CAUSES, "it was not run"))
        return REFUSED if named else UNNAMED


def main(argv: list[str] | None = None) -> int:
    """Makes the changes; returns 1 if anything came of them but a right result or a refusal with its cause."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--convert", type=int, default=300, metavar="N", help="conversions")
    parser.add_argument("--verify", type=int, default=30, metavar="N", help="verifications")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other moments")
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)  # noqa: S311 - seeded, no secret
    with tempfile.TemporaryDirectory(prefix="change-") as folder:
        trial = Trial(Path(folder))
        if args.convert:
            trial.prepare()
        for _ in tqdm(range(args.convert), unit=" conversions", disable=None):
            trial.change_while_converting(rng)
        verification = Verification(Path(folder), trial)
        if args.verify:
            verification.prepare()
        for _ in tqdm(range(args.verify), unit=" verifications", disable=None):
            verification.change_while_verifying(rng)
    for outcome in (RIGHT, REFUSED, *BAD):
        print(f"{outcome:<28} {trial.seen[outcome]:>6,}")
    print("\n".join(trial.examples), end="\n" * bool(trial.examples))
    return int(any(trial.seen[outcome] for outcome in BAD))


if __name__ == "__main__":
    sys.exit(main())
