"""Times `verify` against the bare forward passes and against what is done without it, in turn, over the same images.

    python scripts/bench_verify.py --data imagenette/val                          convnext_tiny, three rounds
    python scripts/bench_verify.py --data imagenette/val --images 200 --rounds 5

    verify        the command: images decoded once, both frameworks, the run store written; its accuracy run alone
    bare torch    PyTorch's model over the same batches, decoded before and held in memory
    bare paddle   Paddle's model over the same batches
    timm          timm's data set, transform and loader, and timm's model: the usual way on PyTorch's side
    paddle        paddle.Model.evaluate over paddle.vision's data set and transforms, and the model with Paddle's own
                  depthwise convolution, as PaddleClas writes it: the usual way on Paddle's side

The checkpoint has seeded random weights, for speed does not depend on values. Seconds are those of the loops, without
starting a framework. Memory is the peak over all processes of a contender, sampled, a shared page shared out among its
holders. Quote medians and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from convert import get_spec, write_checkpoint  # noqa: E402 - after the path above
from convert.state_dict import convert_state_dict  # noqa: E402 - after the path above
from verify.datasets import Item, read_dataset  # noqa: E402 - after the path above
from verify.images.decode import decode_item  # noqa: E402 - after the path above
from verify.images.preprocess import Pixels  # noqa: E402 - after the path above
from verify.recipes.protocol import Protocol  # noqa: E402 - after the path above

# Each is run as `python -c SOURCE folder arch classes batch_size threads` in the checkout and prints its seconds.
PRELUDE = """\
import json, sys, time
from pathlib import Path
folder, arch = Path(sys.argv[1]), sys.argv[2]
classes, batch_size, threads = map(int, sys.argv[3:])
"""

VERIFY = """\
import contextlib, io, shutil
from verify.cli import main
if __name__ == "__main__":
    shutil.rmtree(folder / "report", ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()):
        paths = {"--src": "x.pth", "--dst": "x.pdparams", "--data": "val", "--report": "report"}
        numbers = {"--batch-size": batch_size, "--threads": threads, "--workers": threads}
        status = main([w for k, v in paths.items() for w in (k, str(folder / v))]
            + [w for k, v in numbers.items() for w in (k, str(v))])
    print(json.loads((folder / "report" / "report.json").read_text())["facts"]["speed"]["seconds"])
    sys.exit(status)
"""

BARE = """\
import numpy as np
from verify.workers.batches import SharedBatch
from verify.pair import read_pair
from verify.workers.compute import Compute
from verify.workers.worker import Worker
if __name__ == "__main__":
    pair, pixels = read_pair("", folder / "x.pth", folder / "x.pdparams"), np.load(folder / "pixels.npy")
    with Worker(FRAMEWORK, Compute(threads=threads)) as worker, SharedBatch(pixels[:batch_size].nbytes) as shared:
        worker.load(pair.load_job(FRAMEWORK))
        seconds = 0.0
        for first in range(0, len(pixels), batch_size):
            batch = shared.put(pixels[first : first + batch_size])
            start = time.perf_counter()
            worker.forward(batch)
            seconds += time.perf_counter() - start
    print(seconds)
"""

TIMM = """\
import timm, torch
from timm.data import create_dataset, create_loader
torch.set_num_threads(threads)
model = timm.create_model(arch, num_classes=classes).eval()
data = create_dataset("", str(folder / "val"))
loader = create_loader(data, (3, 224, 224), batch_size, use_prefetcher=False, interpolation="bicubic", crop_pct=0.875,
    num_workers=threads, device=torch.device("cpu"))
start, right = time.perf_counter(), 0
with torch.inference_mode():
    for images, labels in loader:
        right += int((model(images).topk(5).indices == labels[:, None]).any(1).sum())
print(time.perf_counter() - start)
"""

PADDLE = """\
import os
os.environ["OMP_NUM_THREADS"] = str(threads)
import warnings
warnings.simplefilter("ignore")
import paddle
from paddle.vision import transforms
import models_paddle, models_paddle.depthwise
from convert import get_spec
from dataclasses import replace
models_paddle.depthwise.DepthwiseConv2D.forward = paddle.nn.Conv2D.forward
paddle.set_device("cpu")
net = models_paddle.build(replace(get_spec(arch), num_classes=classes))
transform = transforms.Compose([transforms.Resize(256, "bicubic"), transforms.CenterCrop(224), transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
data = paddle.vision.datasets.DatasetFolder(str(folder / "val"), transform=transform)
model = paddle.Model(net)
model.prepare(metrics=paddle.metric.Accuracy(topk=(1, 5)))
start = time.perf_counter()
model.evaluate(data, batch_size=batch_size, num_workers=0, verbose=0)
print(time.perf_counter() - start)
"""

OURS, TODAY, FORWARDS = "verify", ("timm", "paddle"), ("bare torch", "bare paddle")


@dataclass(frozen=True)
class Run:
    """Seconds of a contender's loop, and the peak of memory over all its processes, in bytes."""

    seconds: float
    peak: int


def main() -> int:
    """Prints a row for each contender, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="images in class folders")
    parser.add_argument("--images", type=int, metavar="N", help="take that many, evenly from all classes")
    parser.add_argument("--arch", default="convnext_tiny", help="architecture (default convnext_tiny)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images a forward pass")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="of each framework")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of all contenders in turn")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paddleferry-bench-") as temporary:
        folder = Path(temporary)
        images, classes = prepare(folder, args.data, args.images, args.arch)
        print(
            f"{args.arch}, {images} images, batches of {args.batch_size}, {args.threads} threads, {args.rounds} rounds"
        )
        words = [str(word) for word in (folder, args.arch, classes, args.batch_size, args.threads)]
        runs: dict[str, list[Run]] = {name: [] for name in contenders()}
        for _ in tqdm(range(args.rounds), unit="round", disable=None):
            for name, source in contenders().items():
                runs[name].append(measure([sys.executable, "-c", PRELUDE + source, *words]))
    report(runs, images)
    return 0


def contenders() -> dict[str, str]:
    """Contender's name to the source of its program."""
    bare = {f"bare {name}": BARE.replace("FRAMEWORK", repr(name)) for name in ("torch", "paddle")}
    return {OURS: VERIFY, **bare, "timm": TIMM, "paddle": PADDLE}


def prepare(folder: Path, data: Path, count: int | None, arch: str) -> tuple[int, int]:
    """Links the images, makes both checkpoints, decodes for the bare passes; returns numbers of images and classes."""
    classes = sorted(path for path in data.iterdir() if path.is_dir())
    for source in classes:
        (folder / "val" / source.name).mkdir(parents=True)
        for path in sorted(source.iterdir())[: count and count // len(classes)]:
            shutil.copyfile(path, folder / "val" / source.name / path.name)
    spec = replace(get_spec(arch), num_classes=len(classes))
    rng = np.random.default_rng(0)
    weights = {p.torch_name: rng.standard_normal(p.shape, np.float32) * np.float32(0.02) for p in spec.params()}
    write_checkpoint(folder / "x.pth", weights, framework="torch")
    write_checkpoint(folder / "x.pdparams", convert_state_dict(spec, weights), framework="paddle")
    items = read_dataset(folder / "val", len(classes)).items
    np.save(folder / "pixels.npy", np.stack([_pixels(item) for item in items]))
    return len(items), len(classes)


def _pixels(item: Item) -> Pixels:
    pixels = decode_item(item, Protocol()).pixels
    assert pixels is not None
    return pixels


def measure(command: list[str]) -> Run:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak))
    watcher.start()
    out, errors = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"bench_verify: a contender ended with status {process.returncode}:\n{out}{errors}")
    return Run(float(out.split()[-1]), peak[0])


def watch(pid: int, peak: list[int]) -> None:
    """Samples the memory of a process and all below it until it ends; Linux alone tells it."""
    while Path(f"/proc/{pid}/smaps_rollup").exists():
        with contextlib.suppress(OSError):  # one ended meanwhile
            peak[0] = max(peak[0], sum(map(proportional, family(pid))))
        time.sleep(0.2)


def family(pid: int) -> list[int]:
    lists = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    children = [int(word) for words in lists for word in words]
    return [pid, *(member for child in children for member in family(child))]


def proportional(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def report(runs: dict[str, list[Run]], images: int) -> None:
    print(f"{'':<14}{'median s':>10}{'min':>9}{'max':>9}{'images/s':>10}{'peak MB':>9}")
    for name, measured in runs.items():
        seconds = [run.seconds for run in measured]
        middle, peak = statistics.median(seconds), max(run.peak for run in measured) / 1e6
        spread = f"{middle:>10.2f}{min(seconds):>9.2f}{max(seconds):>9.2f}"
        print(f"{name:<14}{spread}{images / middle:>10.1f}{peak:>9.0f}")
    for title, others in (("the bare forward passes", FORWARDS), ("today's two runs", TODAY)):
        ratios = [
            runs[OURS][number].seconds / sum(runs[name][number].seconds for name in others)
            for number in range(len(runs[OURS]))
        ]
        print(f"verify / {title}: {statistics.median(ratios):.2f} (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    sys.exit(main())
