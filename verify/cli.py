"""The `verify` command."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convert import __version__
from convert.arguments import positive
from convert.errors import FerryError
from verify import sample
from verify.recipe import SQUASH, Recipe, official_resize

if TYPE_CHECKING:
    from verify.run import Options, Result

MIN_SIZE = 32

EXAMPLES = """\
examples:
  verify --sample
  verify --arch convnext_tiny --src x.pth --dst x.pdparams
  verify --arch convnext_tiny --src x.pth --dst x.pdparams --data imagenet/val --report out
  verify --arch convnext_base --src x.pth --dst x.pdparams --data imagenet/val --size 384
  verify --arch convnext_tiny --src x.pth --dst x.pdparams --data photos --unlabelled --json

gates, in this order: structure, float64 oracle, float32 logits and, with --data, paired accuracy
exit status: 0 every gate that ran holds, 1 bad input or a gate failed, 2 wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    pair = (args.arch, args.src, args.dst)
    if args.sample and (any(pair) or args.data):
        parser.error("--sample brings its own --arch, --src, --dst and --data")
    if not args.sample and not all(pair):
        parser.error("--arch, --src and --dst are needed, or --sample")
    recipe = _recipe(parser, args)
    command = shlex.join(["verify", *(sys.argv[1:] if argv is None else argv)])
    try:
        return _run(args, recipe, command)
    except FerryError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nverify: interrupted; no verdict", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace, recipe: Recipe, command: str) -> int:
    from convert.output import print_result
    from verify.report import (  # numpy and Pillow load here, not for --help
        as_json,
        as_text,
        folder_images,
        remove_reports,
        write_reports,
    )
    from verify.run import verify

    if args.report:
        _make_folder(args.report)
        remove_reports(args.report)
    with tempfile.TemporaryDirectory(prefix="paddleferry-") as scratch:
        result = replace(verify(_options(args, recipe, Path(scratch))), command=command)
    if args.report:
        images = sample.IMAGES if args.sample else args.data
        write_reports(result, args.report, thumbnail=folder_images(images) if images else None)
    _summarise_step(result)
    print_result(as_json(result) if args.json else as_text(result))
    return 0 if result.ok else 1


def _summarise_step(result: Result) -> None:
    """Where a GitHub workflow asks for it; that it cannot be written is said, and does not touch the verdict."""
    from verify.report import STEP_SUMMARY, append_step_summary

    if path := os.environ.get(STEP_SUMMARY):
        try:
            append_step_summary(result, Path(path))
        except FerryError as error:
            print(f"verify: {error}", file=sys.stderr)


def _options(args: argparse.Namespace, recipe: Recipe, scratch: Path) -> Options:
    from verify.run import Options, convert_sample
    from verify.workers import Compute

    arch, src, dst, data = args.arch, args.src, args.dst, args.data
    if args.sample:
        arch, src, dst, data = sample.ARCH, sample.CHECKPOINT, convert_sample(scratch), sample.IMAGES
    return Options(
        arch=arch,
        src=src,
        dst=dst,
        weights=args.weights,
        data=data,
        labelled=not args.unlabelled,
        recipe=recipe,
        report=args.report,
        batch_size=args.batch_size,
        workers=args.workers,
        compute=Compute(device=args.device),
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FerryError(f"{folder}: cannot be made into a folder for the report: {error.strerror}") from error


def _recipe(parser: argparse.ArgumentParser, args: argparse.Namespace) -> Recipe:
    default = sample.RECIPE if args.sample else Recipe()
    size = args.size or default.size
    resize = args.resize or (default.resize if args.size is None else official_resize(size))
    if args.crop_pct is not None:
        if args.resize:
            parser.error("--crop-pct and --resize say the same thing: give one of them")
        if not 0 < args.crop_pct <= 1:
            parser.error(f"--crop-pct {args.crop_pct:g}: a fraction above 0, at most 1")
        resize = int(size / args.crop_pct)
    if isinstance(resize, int) and resize < size:
        parser.error(f"--resize {resize} is smaller than --size {size}: there would be nothing to crop from")
    mean, std = (tuple(values) for values in (args.mean or default.mean, args.std or default.std))
    if 0.0 in std:
        parser.error("--std: a value of 0 would divide by zero")
    if not all(map(math.isfinite, mean + std)):
        parser.error("--mean and --std take finite numbers")
    if size < MIN_SIZE:
        parser.error(f"--size {size}: the models divide the size by {MIN_SIZE}, so it is at least that")
    return Recipe(size=size, resize=resize, mean=mean, std=std)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify",
        description="Prove that a Paddle checkpoint is the PyTorch one: the same tensors, the same logits and, with "
        "--data, the same accuracy. Images are decoded once, and both frameworks get the same bytes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arch", metavar="NAME", help="architecture, for example convnext_tiny")
    parser.add_argument("--src", type=Path, metavar="X.pth", help="PyTorch's checkpoint")
    parser.add_argument("--dst", type=Path, metavar="X.pdparams", help="Paddle's checkpoint")
    parser.add_argument("--sample", action="store_true", help="verify the bundled sample, images included")
    parser.add_argument("--weights", default="", metavar="KEY", help="which state dict, where --src holds several")
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    data = parser.add_argument_group("validation set")
    data.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="class folders, whose sorted order is the label, or images with a val_list.txt of `name label` lines",
    )
    data.add_argument(
        "--unlabelled", action="store_true", help="take every image under --data, compare predictions only"
    )
    data.add_argument("--size", type=positive, metavar="N", help="side of the models' input in pixels (default 224)")
    data.add_argument(
        "--resize",
        type=_resize,
        metavar="N|squash",
        help="short edge before the centre crop, or squash to the size without one "
        "(default: size / 0.875, and squash from 384 on, as the authors evaluate)",
    )
    data.add_argument(
        "--crop-pct",
        type=float,
        metavar="F",
        help="side of the centre crop over the resized short edge, in place of --resize (the authors': 0.875)",
    )
    data.add_argument("--mean", type=float, nargs=3, metavar=("R", "G", "B"), help="default 0.485 0.456 0.406")
    data.add_argument("--std", type=float, nargs=3, metavar=("R", "G", "B"), help="default 0.229 0.224 0.225")
    run = parser.add_argument_group("the run")
    run.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images a forward pass (default 32)")
    run.add_argument("--workers", type=positive, default=2, metavar="N", help="threads that decode (default 2)")
    run.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="where both models run (default cpu)")
    run.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write there report.html to look at, report.md for a pull request, report.json and run.sqlite for "
        "programs and junit.xml for CI",
    )
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _resize(text: str) -> int | str:
    return SQUASH if text == SQUASH else positive(text)
