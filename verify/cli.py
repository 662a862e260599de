"""The `verify` command."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from convert import __version__
from convert.arguments import positive
from convert.errors import FerryError
from convert.output import print_result
from verify import sample
from verify.protocol import Overrides, WrongProtocol, named_protocol, own_protocol
from verify.recipe import INTERPOLATIONS, SQUASH, Recipe
from verify.recipes import get_recipe, recipe_table

if TYPE_CHECKING:
    from verify.run import Options

EXAMPLES = """\
examples:
  verify --sample
  verify --arch convnext_tiny --src x.pth --dst x.pdparams
  verify --arch convnext_tiny --src x.pth --dst x.pdparams --data imagenet/val --report out
  verify --arch convnext_base --src x.pth --dst x.pdparams --data imagenet/val \\
         --recipe convnext_base.fb_in22k_ft_in1k_384
  verify --arch convnext_tiny --src x.pth --dst x.pdparams --data photos --unlabelled --json

gates, in this order: structure, float64 oracle, float32 logits and, with --data, paired accuracy; where a recipe is
known and no value overrides it, published accuracy too
exit status: 0 every gate that ran holds, 1 bad input or a gate failed, 2 wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.list_recipes:
        print_result(recipe_table())
        return 0
    pair = (args.arch, args.src, args.dst)
    if args.sample and (any(pair) or args.data):
        parser.error("--sample brings its own --arch, --src, --dst and --data")
    if not args.sample and not all(pair):
        parser.error("--arch, --src and --dst are needed, or --sample")
    try:
        return _run(args, _overrides(args))
    except WrongProtocol as error:
        parser.error(str(error))
    except FerryError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nverify: interrupted; no verdict", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace, overrides: Overrides) -> int:
    from verify.report import (  # numpy and Pillow load here, not for --help
        as_json,
        as_text,
        remove_reports,
        write_reports,
    )
    from verify.run import verify

    if args.report:
        _make_folder(args.report)
        remove_reports(args.report)
    with tempfile.TemporaryDirectory(prefix="paddleferry-") as scratch:
        result = verify(_options(args, overrides, Path(scratch)))
    if args.report:
        write_reports(result, args.report)
    print_result(as_json(result) if args.json else as_text(result))
    return 0 if result.ok else 1


def _options(args: argparse.Namespace, overrides: Overrides, scratch: Path) -> Options:
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
        recipe=_default(args),
        named=args.recipe,
        overrides=overrides,
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


def _overrides(args: argparse.Namespace) -> Overrides:
    """The values of a protocol that were given; a recipe that is unknown, or cannot be with them, raises."""
    mean, std = (tuple(values) if values else None for values in (args.mean, args.std))
    overrides = Overrides(
        size=args.size,
        resize=args.resize,
        crop_pct=args.crop_pct,
        interpolation=args.interpolation,
        mean=mean,
        std=std,
    )
    if args.recipe:
        named_protocol(get_recipe(args.recipe), overrides)
    else:
        own_protocol(_default(args), overrides)
    return overrides


def _default(args: argparse.Namespace) -> Recipe:
    return sample.RECIPE if args.sample else Recipe()


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
    run = parser.add_argument_group("the run")
    run.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images a forward pass (default 32)")
    run.add_argument("--workers", type=positive, default=2, metavar="N", help="threads that decode (default 2)")
    run.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="where both models run (default cpu)")
    run.add_argument("--report", type=Path, metavar="DIR", help="write report.json, report.md and run.sqlite there")
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _resize(text: str) -> int | str:
    return SQUASH if text == SQUASH else positive(text)
