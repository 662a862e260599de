"""What the `verify` command takes, and what of it goes together."""

from __future__ import annotations

import argparse
import math
import textwrap
from pathlib import Path

from convert.console import Parser, positive
from convert.usage import Mode, Rule, Usage
from convert.version import __version__
from verify.datasets.layouts.names import LAYOUTS
from verify.gates import order_in_words
from verify.pairing.model_options import add_model_group
from verify.recipes.protocol import INTERPOLATIONS, SQUASH
from verify.store.facts import EAGER, ENGINES
from verify.store.shard import Shard, parse_shard
from verify.workers.compute import device_named

WIDTH = 118  # characters of a line of the epilog
EPILOG = """\
examples:
  %(prog)s --sample
  %(prog)s --selftest
  %(prog)s --arch convnext_tiny --src x.pth --dst x.pdparams
  %(prog)s --arch convnext_tiny --src x.pth --dst x.pdparams --data imagenet/val --report out
  %(prog)s --arch convnext_base --src x.pth --dst x.pdparams --data imagenet/val \\
         --recipe convnext_base.fb_in22k_ft_in1k_384
  %(prog)s --arch convnext_tiny --src x.pth --dst x.pdparams --data photos --unlabelled --json
  %(prog)s --arch convnext_tiny --src x.pth --dst x.pdparams --layers --gradients
  %(prog)s --arch convnext_tiny --src x.pth --dst x.pdparams --data imagenet/val --why --expect 82.07
  %(prog)s --table resnet18.table.toml --src x.pth --dst x.pdparams --data imagenet/val --layers
  %(prog)s --arch convnext_tiny --paddle my/convnext.py:build --src x.pth --dst x.pdparams
  %(prog)s --src x.pth --dst x.pdparams --data imagenet/val --shard 2/8 --report out
  %(prog)s --merge out/*.sqlite --report out

{gates}
exit status: 0 every gate that ran holds, 1 bad input or a gate failed, 2 wrong usage
"""


LIST_RECIPES = Mode("--list-recipes", "runs nothing")
SELFTEST = Mode("--selftest", "brings its own pairs and images")
MERGE = Mode("--merge", "takes run stores, in which stands what was verified")
SAMPLE = Mode("--sample", "brings its own pair and images", brings=("--data",))
PAIR = Mode("", required={"--src": "--sample", "--dst": "--sample"})
MODES = (LIST_RECIPES, SELFTEST, MERGE, SAMPLE, PAIR)
RUNS = (SAMPLE, PAIR)

# An option without a row would be taken, and change nothing, where it has no meaning. The protocol
# goes without --data too: the forward gates, layers and gradients run on noise of its size and on
# images that are prepared by it.
USAGE = Usage(
    modes=MODES,
    rules={
        "--list-recipes": Rule((LIST_RECIPES,)),
        "--selftest": Rule((SELFTEST,)),
        "--merge": Rule((MERGE,)),
        "--sample": Rule((SAMPLE,)),
        "--arch": Rule((PAIR,), excludes=("--table",)),
        "--table": Rule((SELFTEST, PAIR)),
        "--torch": Rule((SELFTEST, PAIR)),
        "--torch-arg": Rule((SELFTEST, PAIR), needs=("--torch",)),
        "--torch-setup": Rule((SELFTEST, PAIR), needs=("--torch",)),
        "--paddle": Rule((SELFTEST, PAIR)),
        "--paddle-arg": Rule((SELFTEST, PAIR), needs=("--paddle",)),
        "--paddle-setup": Rule((SELFTEST, PAIR), needs=("--paddle",)),
        "--python": Rule((SELFTEST, *RUNS)),
        "--src": Rule((PAIR,)),
        "--dst": Rule((PAIR,)),
        "--weights": Rule((PAIR,)),
        "--strip-prefix": Rule((PAIR,)),
        "--dst-weights": Rule((PAIR,)),
        "--dst-strip-prefix": Rule((PAIR,)),
        "--data": Rule((PAIR,)),
        "--layout": Rule((PAIR,), needs=("--data",)),
        "--devkit": Rule((PAIR,), needs=("--data",), excludes=("--unlabelled",)),
        "--classes": Rule((PAIR,), needs=("--data",), excludes=("--unlabelled",)),
        "--class-map": Rule((PAIR,), needs=("--data",)),
        "--unlabelled": Rule(RUNS, needs=("--data",)),
        "--recipe": Rule((PAIR,), excludes=("--table",)),
        "--size": Rule(RUNS),
        "--resize": Rule(RUNS),
        "--crop-pct": Rule(RUNS),
        "--interpolation": Rule(RUNS),
        "--mean": Rule(RUNS),
        "--std": Rule(RUNS),
        "--layers": Rule(RUNS),
        "--gradients": Rule(RUNS),
        "--why": Rule(RUNS, needs=("--data",), excludes=("--unlabelled",)),
        "--expect": Rule(RUNS, needs=("--why",)),
        "--why-sample": Rule(RUNS, needs=("--why",)),
        "--batch-size": Rule(RUNS, needs=("--data",)),
        "--workers": Rule(RUNS, needs=("--data",)),
        "--threads": Rule((SELFTEST, *RUNS)),
        "--device": Rule((SELFTEST, *RUNS)),
        "--tf32": Rule((SELFTEST, *RUNS), needs=("--device gpu",)),
        "--engine": Rule(RUNS),
        "--shard": Rule(RUNS, needs=("--data", "--report")),
        "--report": Rule((MERGE, *RUNS)),
        "--json": Rule(MODES),
    },
)


def make_parser(prog: str = "verify") -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog=prog,
        description="Prove that a Paddle checkpoint is the PyTorch one: the same tensors, the same logits and, with "
        "--data, the same accuracy. Images are decoded once, and both frameworks get the same bytes.",
        epilog=EPILOG.format(gates=textwrap.fill(f"gates, in this order: {order_in_words()}", WIDTH)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arch", metavar="NAME", help="architecture, for example convnext_tiny")
    parser.add_argument("--src", type=Path, metavar="X.pth", help="PyTorch's checkpoint")
    parser.add_argument("--dst", type=Path, metavar="X.pdparams", help="Paddle's checkpoint")
    parser.add_argument("--sample", action="store_true", help="verify the bundled sample, images included")
    parser.add_argument(
        "--selftest", action="store_true", help="plant faults in known good pairs, and show which gate sees each"
    )
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    add_model_group(parser)
    _add_parts(parser)
    _add_data(parser)
    _add_protocol(parser)
    _add_diagnosis(parser)
    _add_run(parser)
    USAGE.add_needs(parser)
    return parser


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_argument_group("which part of a file")
    parts.add_argument("--weights", default="", metavar="PATH", help="which state dict, where --src holds several")
    parts.add_argument(
        "--strip-prefix",
        default="",
        metavar="P",
        help="take the tensors of --src whose keys begin with P, where only some do",
    )
    parts.add_argument("--dst-weights", default="", metavar="PATH", help="which state dict, where --dst holds several")
    parts.add_argument(
        "--dst-strip-prefix",
        default="",
        metavar="P",
        help="take the tensors of --dst whose keys begin with P, where only some do",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("validation set")
    data.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="class folders, images with a val_list.txt or with ILSVRC2012's devkit, ILSVRC2012_img_val.tar with "
        "either, or a parquet set as Hugging Face lays it out; the labels' order is checked",
    )
    data.add_argument("--layout", choices=LAYOUTS, default="", help="which of them, where two lie there")
    data.add_argument(
        "--devkit", type=Path, metavar="DIR", help="ILSVRC2012_devkit_t12, or its .tar.gz, where not beside the images"
    )
    data.add_argument(
        "--classes",
        default="",
        metavar="FILE|sorted",
        help="class names in label order, one a line, or that sorted order is right, where names have no known order",
    )
    data.add_argument(
        "--class-map",
        type=Path,
        metavar="FILE",
        help="which of a larger head's classes are ImageNet's 1000: lines of `wordnet_id index`, or of indices",
    )
    data.add_argument(
        "--unlabelled", action="store_true", help="take every image under --data, compare predictions only"
    )


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    protocol = parser.add_argument_group(
        "evaluation protocol",
        "A recipe is the protocol of a published checkpoint and the accuracy that it gave. Without --recipe and\n"
        "without a value below, it is recognised from the file name of --src where that is still the\npublished one.",
    )
    protocol.add_argument(
        "--recipe", default="", metavar="NAME", help="timm's name, for example convnext_base.fb_in22k_ft_in1k_384"
    )
    protocol.add_argument(
        "--list-recipes", action="store_true", help="print the recipes, their protocol and published accuracy"
    )
    protocol.add_argument(
        "--size",
        type=positive,
        metavar="N",
        help="side of the models' input in pixels (default 224); alone, it keeps the recipe's squash or crop fraction",
    )
    protocol.add_argument(
        "--resize",
        type=_resize,
        metavar="N|squash",
        help="short edge before the centre crop, or squash to the size without one "
        "(default: size / 0.875, and squash from 384 on, as the authors evaluate)",
    )
    protocol.add_argument(
        "--crop-pct",
        type=float,
        metavar="F",
        help="side of the centre crop over the resized short edge, in place of --resize (the authors': 0.875)",
    )
    protocol.add_argument(
        "--interpolation", choices=INTERPOLATIONS, help="of the resize (default bicubic, as the authors evaluate)"
    )
    protocol.add_argument("--mean", type=float, nargs=3, metavar=("R", "G", "B"), help="default 0.485 0.456 0.406")
    protocol.add_argument("--std", type=float, nargs=3, metavar=("R", "G", "B"), help="default 0.229 0.224 0.225")


def _add_diagnosis(parser: argparse.ArgumentParser) -> None:
    diagnosis = parser.add_argument_group("diagnosis")
    diagnosis.add_argument(
        "--layers",
        action="store_true",
        help="compare every stem, block and head layer, name the first that departs, and say what it does otherwise",
    )
    diagnosis.add_argument(
        "--gradients", action="store_true", help="compare the gradient of every parameter in float64"
    )
    diagnosis.add_argument(
        "--why",
        action="store_true",
        help="score a sample under the usual mistakes of protocol and labels, and say which explains the accuracy best",
    )
    diagnosis.add_argument(
        "--expect",
        type=_top1,
        metavar="TOP1",
        help="top-1 that should be met, in per cent (without: whatever raises it)",
    )
    diagnosis.add_argument(
        "--why-sample", type=positive, metavar="N", help="images to score under each mistake (default 500)"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("the run")
    run.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images a forward pass (default 32)")
    run.add_argument("--workers", type=positive, metavar="N", help="processes that decode")
    run.add_argument("--threads", type=positive, metavar="N", help="of each framework's math (default: all cores)")
    run.add_argument(
        "--device",
        type=device_named,
        default="cpu",
        metavar="DEVICE",
        help="cpu, gpu, gpu:N, or gpu:N,gpu:M for PyTorch's and Paddle's (default cpu)",
    )
    run.add_argument("--tf32", action="store_true", help="let a GPU round float32 to TF32; the gates will mind")
    run.add_argument(
        "--engine",
        choices=ENGINES,
        default=EAGER,
        help="what computes Paddle's float32 logits: the model, or it as a saved program in paddle.inference, which is "
        "faster on a CPU (default eager)",
    )
    run.add_argument(
        "--shard", type=_shard, default=Shard(), metavar="I/N", help="run the I-th of N parts; --merge joins them"
    )
    run.add_argument(
        "--merge", type=Path, nargs="+", metavar="RUN.sqlite", help="join the run stores of every shard, in any order"
    )
    run.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write there report.html to look at, report.md for a pull request, report.json and run.sqlite for "
        "programs and junit.xml for CI",
    )
    run.add_argument("--json", action="store_true", help="print the result, or the recipes, as JSON")


def _top1(text: str) -> float:
    try:
        top1 = float(text)
    except ValueError:
        top1 = math.nan
    if not 0 <= top1 <= 100:
        raise argparse.ArgumentTypeError(f"{text}: expected a top-1 in per cent, 0 to 100")
    return top1


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _resize(text: str) -> int | str:
    return SQUASH if text == SQUASH else positive(text)
