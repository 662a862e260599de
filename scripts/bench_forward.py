"""Times forward passes on a CPU: PyTorch's model, Paddle's, and the formulation of PaddleClas, by turns.

    python scripts/bench_forward.py                         convnext_tiny, batches of 8, five rounds
    python scripts/bench_forward.py --arch convnext_base --batch-size 4 --rounds 7 --threads 4

Each contender is a process of its own with the same seeded weights and images; one computes while the others wait.
"plain" is a process as a user starts it, with the threads set and no more; the others are set up as `verify` sets up
its workers. The logits of all must agree. CPU seconds count every thread, so a busy machine disturbs them least; quote
medians and ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:  # each contender's process loads what it needs
    import paddle

    from convert.archs import ArchSpec
    from convert.arrays import Array

ROOT = Path(__file__).resolve().parent.parent
ARCHS = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large", "convnext_xlarge")  # as PaddleClas has
AGREE = 1e-4  # max|difference| / max|logit| in float32; measured 5.3e-7 (convnext_tiny)
OURS, BASELINE = "paddle", "PaddleClas plain"
CONTENDERS = ("torch", OURS, "PaddleClas", "torch plain", BASELINE)
PAUSE = 0.3  # Intel's OpenMP lets its threads spin for 0.2 s after they have worked


@dataclass(frozen=True)
class Turn:
    """One forward pass: wall seconds, CPU seconds of all threads."""

    wall: float
    cpu: float


def main() -> int:
    """Prints a row for each contender, or answers as one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="convnext_tiny", choices=ARCHS, help="architecture")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="images a pass (default 8)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="counted passes of each (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="of each framework's math")
    parser.add_argument("--size", type=int, default=224, metavar="N", help="height and width (default 224)")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        return _answer(args)
    processes = {name: _start(name, args) for name in CONTENDERS}
    logits = {name: json.loads(_ask(process)) for name, process in processes.items()}
    disagreement = _largest_disagreement(logits)
    turns: dict[str, list[Turn]] = {name: [] for name in CONTENDERS}
    for _ in tqdm(range(args.rounds), unit="round", disable=None):
        for name, process in processes.items():
            time.sleep(PAUSE)
            turns[name].append(Turn(*json.loads(_ask(process))))
    for process in processes.values():
        process.communicate()
    print(f"{args.arch}, {args.rounds} batches of {args.batch_size} at {args.size}, {args.threads} threads")
    _report(turns, args.batch_size)
    print(f"logits differ by {disagreement:.1e} of the largest at most")
    return 0 if disagreement <= AGREE else 1


def _start(name: str, args: argparse.Namespace) -> subprocess.Popen[str]:
    options = ["--arch", args.arch, "--batch-size", args.batch_size, "--threads", args.threads, "--size", args.size]
    command = [sys.executable, "-W", "ignore", __file__, "--contender", name, *map(str, options)]
    variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(args.threads)) | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if "Paddle" in name or name == OURS else None,  # its advice on threads
        text=True,
        env=os.environ | variables,
    )


def _ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    assert isinstance(process.args, list)
    command = " ".join(map(str, process.args))
    return process.stdout.readline() or sys.exit(f"{command} ended with status {process.wait()}")


def _largest_disagreement(logits: dict[str, list[float]]) -> float:
    expected = logits["torch"]
    differences = (
        abs(value - reference) for actual in logits.values() for value, reference in zip(actual, expected, strict=True)
    )
    return max(differences) / max(map(abs, expected))


def _report(turns: dict[str, list[Turn]], batch_size: int) -> None:
    def median(name: str) -> Turn:
        return Turn(statistics.median(t.wall for t in turns[name]), statistics.median(t.cpu for t in turns[name]))

    torch, baseline = median("torch"), median(BASELINE)
    heads = ("images/s", "median s", "min s", "CPU s", "x torch", "PaddleClas plain x", "the same of CPU")
    print(f"{'':<18}" + "".join(f"{head:>{max(len(head) + 2, 10)}}" for head in heads))
    for name, measured in turns.items():
        turn, fastest = median(name), min(t.wall for t in measured)
        print(
            f"{name:<18}{batch_size / turn.wall:>10.2f}{turn.wall:>10.3f}{fastest:>10.3f}"
            f"{turn.cpu:>10.3f}{turn.wall / torch.wall:>10.2f}"
            f"{baseline.wall / turn.wall:>20.2f}{baseline.cpu / turn.cpu:>17.2f}"
        )


# What a contender's process does


def _answer(args: argparse.Namespace) -> int:
    framework = "torch" if args.contender.startswith("torch") else "paddle"
    if "plain" not in args.contender:
        from verify.workers.settings import settle_process

        settle_process(framework, args.threads)
    forward = _torch(args) if framework == "torch" else _paddle(args)
    input()
    print(json.dumps(forward()), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        forward()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
    return 0


def _weights_and_images(args: argparse.Namespace) -> tuple[ArchSpec, dict[str, Array], Array]:
    import numpy as np

    from convert import get_spec

    spec, rng = get_spec(args.arch), np.random.default_rng(0)
    weights = {}
    for param in spec.params():  # of a size that keeps the signal's, and all distinct
        scale = np.prod(param.shape[1:]) ** -0.5 if len(param.shape) > 1 else 0.5
        weights[param.torch_name] = (rng.normal(size=param.shape) * scale).astype("float32")
    return spec, weights, rng.normal(size=(args.batch_size, 3, args.size, args.size)).astype("float32")


def _torch(args: argparse.Namespace) -> Callable[[], list[float]]:
    import torch

    import models_torch

    torch.set_num_threads(args.threads)
    spec, weights, images = _weights_and_images(args)
    model, batch = models_torch.build_with(spec, weights), torch.from_numpy(images)

    def forward() -> list[float]:
        with torch.no_grad():
            logits: list[float] = model(batch).flatten().tolist()
            return logits

    return forward


def _paddle(args: argparse.Namespace) -> Callable[[], list[float]]:
    import paddle

    import models_paddle
    from convert import convert_state_dict

    spec, weights, images = _weights_and_images(args)
    carried, batch = convert_state_dict(spec, weights), paddle.to_tensor(images)
    model = models_paddle.build_with(spec, carried) if args.contender == OURS else _as_paddleclas(spec, carried)

    def forward() -> list[float]:
        with paddle.no_grad():
            logits: list[float] = model(batch).flatten().tolist()
            return logits

    return forward


def _as_paddleclas(spec: ArchSpec, carried: Mapping[str, Array]) -> paddle.nn.Layer:
    """Our model with the two parts that PaddleClas writes otherwise put in their places.

    They are Paddle's own depthwise convolution, and the norm over channels by elementary operations; the rest is line
    for line the same. Source: ppcls/arch/backbone/model_zoo/convnext.py of
    https://github.com/PaddlePaddle/PaddleClas at 0567bc3.
    """
    import paddle

    import models_paddle

    class ChannelsFirstNorm(paddle.nn.Layer):  # type: ignore[misc]  # Paddle's classes are Any here
        def __init__(self, norm: paddle.nn.LayerNorm) -> None:
            super().__init__()
            self.weight, self.bias = norm.weight, norm.bias

        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            centred = x - x.mean(1, keepdim=True)
            x = centred / paddle.sqrt(centred.pow(2).mean(1, keepdim=True) + spec.eps)
            return self.weight[:, None, None] * x + self.bias[:, None, None]

    model = models_paddle.build_with(spec, carried)
    for block in (block for stage in model.stages for block in stage):
        dim, ours = len(block.dwconv.bias), block.dwconv
        block.dwconv = paddle.nn.Conv2D(dim, dim, 7, padding=3, groups=dim)
        block.dwconv.weight, block.dwconv.bias = ours.weight, ours.bias
    for index, downsample in enumerate(model.downsample_layers):
        place = "1" if index == 0 else "0"
        setattr(downsample, place, ChannelsFirstNorm(getattr(downsample, place)))
    return model


if __name__ == "__main__":
    sys.exit(main())
