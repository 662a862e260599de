"""The `convert` command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convert import __version__
from convert.errors import FerryError

EXAMPLES = """\
examples:
  convert --arch convnext_base --src x.pth --dst x.pdparams
  convert --arch convnext_base --src x.pth --plan
  convert --arch convnext_tiny --src training.pth --weights model_ema --dst x.pdparams

`python -m convert` is the same command, where ImageMagick owns the word `convert`.
exit status: 0 done, 1 bad input (nothing was written), 2 wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.plan and args.dst is None:
        parser.error("--dst is needed, or --plan to see the mapping only")
    from convert.job import Job  # numpy loads with it, which --help need not wait for

    try:
        job = Job.read(args.arch, args.src, weights=args.weights)
        if args.plan:
            print(job.plan())
        else:
            print(job.write(args.dst, force=args.force))
    except FerryError as error:
        print(f"convert: {error}", file=sys.stderr)
        print("convert: nothing was written", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nconvert: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convert",
        description="Carry the weights of a ConvNeXt from a PyTorch checkpoint into a Paddle one. Nothing that the "
        "checkpoint carries is run, and every tensor is accounted for before anything is written.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arch", required=True, metavar="NAME", help="architecture, for example convnext_base")
    parser.add_argument("--src", required=True, type=Path, metavar="X.pth", help="checkpoint to read")
    parser.add_argument("--dst", type=Path, metavar="X.pdparams", help="checkpoint to write")
    parser.add_argument("--plan", action="store_true", help="print the whole mapping and write nothing")
    parser.add_argument("--force", action="store_true", help="replace the target if it exists")
    parser.add_argument("--weights", default="", metavar="KEY", help="which state dict, where the file holds several")
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    return parser
