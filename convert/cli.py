"""The `convert` command."""

from __future__ import annotations

import argparse
from pathlib import Path

from convert.console import OutputError, positive, print_error, print_result, settle_streams
from convert.endings import shortages, status_of, terminable, word_of
from convert.errors import FerryError, RefusedCheckpoint
from convert.files import identity_of
from convert.ownership import describe_clash

KEY_FORMATS = ("official", "timm", "torchvision", "transformers", "mmpretrain")
DTYPES = ("float32", "float16", "bfloat16")

AFTER_REFUSAL = "where a fresh copy of the file is refused too, ask its author for tensors alone: a .safetensors"

EXAMPLES = """\
examples:
  %(prog)s --arch convnext_base --src x.pth --dst x.pdparams
  %(prog)s --src x.safetensors --dst x.pdparams               architecture read off the tensors, and said
  %(prog)s --src x.pth --plan                                 the whole mapping, nothing written
  %(prog)s --src training.pth --weights model_ema --dst x.pdparams
  %(prog)s --src x.pdparams --dst x.pth                       the way back, bit for bit
  %(prog)s --src x.pdparams --dst x.safetensors --to timm
  %(prog)s --src convnext_base.fb_in22k_ft_in1k --dst x.pdparams    downloaded from where it was published
  %(prog)s --src backbone.pth --num-classes 10 --dst x.pdparams
  %(prog)s --list

`paddleferry convert` is the same command, where ImageMagick owns the word `convert`.
exit status: 0 done, 1 bad input (nothing was written), 2 wrong usage
"""


def main(argv: list[str] | None = None, *, prog: str = "convert") -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2.

    Args:
        argv: its arguments; those of the process without it.
        prog: what the user called it by, for usage and messages.
    """
    settle_streams()
    if clash := describe_clash("convert"):
        print_error(f"{prog}: {clash}")
        return 1
    parser = make_parser(prog)
    args = parser.parse_args(argv)
    if not args.list and args.src is None:
        parser.error("--src is needed, or --list to see the architectures")
    if not args.list and not args.plan and args.dst is None:
        parser.error("--dst is needed, or --plan to see the mapping only")
    if args.json and (args.plan or args.list):
        parser.error("--json is the summary of a conversion; it goes with neither --plan nor --list")
    if args.to and args.dst and args.dst.suffix == ".pdparams":
        parser.error("--to is for a PyTorch target, .pth or .safetensors; a .pdparams has the official keys")
    with terminable():
        return _run_to_an_end(args, prog)


def _run_to_an_end(args: argparse.Namespace, prog: str) -> int:
    before = identity_of(args.dst)

    def outcome() -> str:
        # The target is only ever replaced as a whole, whatever happened before or after.
        return "nothing was written" if identity_of(args.dst) == before else f"{args.dst} is complete"

    try:
        with shortages():
            return _run(args, prog)
    except OutputError as error:
        print_error(f"{prog}: {error}")
        return 1
    except FerryError as error:
        print_error(f"{prog}: {error}")
        if isinstance(error, RefusedCheckpoint):
            print_error(f"{prog}: {AFTER_REFUSAL}")
        print_error(f"{prog}: {outcome()}")
        return 1
    except KeyboardInterrupt as error:
        print_error(f"\n{prog}: {word_of(error)}; {outcome()}")
        return status_of(error)


def _run(args: argparse.Namespace, prog: str) -> int:
    from convert import summary  # numpy loads with these, which --help need not wait for
    from convert.checkpoints.atomic import check_target
    from convert.job import Job, Options
    from convert.source.locate import locate

    if args.list:
        print_result(summary.known_archs())
        return 0
    if args.dst and not args.plan:
        check_target(args.dst, force=args.force)  # before a large source is read
    options = Options(args.weights, args.to, args.dtype, args.num_classes)
    located = locate(args.src, sha256=args.sha256)
    if located.fetched:
        print_error(located.line())
    job = Job.read(args.arch or located.arch, located.path, options)
    framework = job.target_framework(args.dst.suffix if args.dst else ".safetensors")
    if args.plan:
        print_result(summary.plan(job, framework))
        return 0
    written = job.write(args.dst, force=args.force, digest=args.json)
    if written.note:
        print_error(f"{prog}: {written.note}")
    if args.json:
        print_result(summary.as_json(job, framework, written))
    else:
        print_result(f"{summary.as_text(job, framework)}\n{summary.written_line(written, framework)}")
    return 0


def make_parser(prog: str = "convert") -> argparse.ArgumentParser:
    """The command's arguments."""
    from convert.version import __version__  # a foreign `convert` has none, so not before main has looked

    parser = argparse.ArgumentParser(
        prog=prog,
        description="Carry the weights of a ConvNeXt between PyTorch and Paddle. Nothing that a checkpoint carries is "
        "run, and every tensor is accounted for before anything is written.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--src",
        metavar="FILE",
        help="checkpoint: .pth, .safetensors (or its index), .pdparams; or a published one's name or address",
    )
    parser.add_argument("--sha256", default="", metavar="DIGEST", help="digest that a downloaded checkpoint must have")
    parser.add_argument("--dst", type=Path, metavar="FILE", help="target: .pdparams, .safetensors, .pth")
    parser.add_argument("--arch", default="", metavar="NAME", help="architecture; read off the tensors if left out")
    parser.add_argument("--plan", action="store_true", help="print the whole mapping and write nothing")
    parser.add_argument(
        "--list", action="store_true", help="print the architectures, and the published checkpoints' names"
    )
    parser.add_argument("--force", action="store_true", help="replace the target if it exists")
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON, with digests of both files and of the tensors"
    )
    parser.add_argument("--weights", default="", metavar="KEY", help="which state dict, where the file holds several")
    parser.add_argument(
        "--to",
        default="",
        choices=KEY_FORMATS,
        metavar="FORMAT",
        help=f"keys of a PyTorch target: {', '.join(KEY_FORMATS)}",
    )
    parser.add_argument(
        "--dtype",
        default="",
        choices=DTYPES,
        metavar="DTYPE",
        help=f"cast to {', '.join(DTYPES)}; without it float16 and bfloat16 become float32, and nothing is rounded",
    )
    parser.add_argument(
        "--num-classes",
        type=positive,
        default=0,
        metavar="N",
        help="give a backbone, or another head, a new head of N",
    )
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    return parser
