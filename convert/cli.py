"""The `convert` command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from convert.checkpoints.containers import SAFETENSORS, WRITTEN_AS, source_suffixes, usual_suffixes
from convert.console import (
    OutputError,
    Parser,
    not_negative,
    print_message,
    print_result,
    settle_streams,
)
from convert.endings import shortages, status_of, terminable, word_of
from convert.errors import FerryError, RefusedCheckpoint, WrongUsage, either
from convert.frameworks import PROPER_NAMES
from convert.ownership import describe_clash
from convert.regular import identity_of
from convert.targets import TARGET_NAMES, TARGETS, target_named
from convert.usage import Mode, Rule, Usage
from convert.visible import joined

if TYPE_CHECKING:
    from convert.job import Job
    from convert.tables import TableSpec

DTYPES = ("float32", "float16", "bfloat16")

AFTER_REFUSAL = (
    f"where a fresh copy of the file is refused too, ask its author for tensors alone: a {SAFETENSORS.suffixes[0]}"
)

LIST = Mode("--list", "prints what is known")
PLAN = Mode("--plan", "writes nothing", required={"--src": "--list to see the architectures"})
CONVERT = Mode("", required={**PLAN.required, "--dst": "--plan to see the mapping only"})
READING = (PLAN, CONVERT)

# An option without a row would be taken, and change nothing, where it has no meaning.
USAGE = Usage(
    modes=(LIST, PLAN, CONVERT),
    rules={
        "--src": Rule(READING),
        "--sha256": Rule(READING),
        "--dst": Rule(READING),  # of a plan, for its suffix says whose keys and layout the target has
        "--arch": Rule(READING),
        "--table": Rule(READING, excludes=("--arch", "--to")),
        "--plan": Rule((PLAN,)),
        "--list": Rule((LIST,)),
        "--force": Rule((CONVERT,)),
        "--json": Rule((CONVERT,)),
        "--weights": Rule(READING),
        "--strip-prefix": Rule(READING),
        "--to": Rule(READING),
        "--dtype": Rule(READING),
        "--num-classes": Rule(READING),
        "--merge": Rule(READING),
    },
)

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
  %(prog)s --table regnety_016.toml --src x.pth --dst x.pdparams      a network by its parameter table
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
        print_message(f"{prog}: {clash}")
        return 1
    try:
        with shortages():
            parser = make_parser(prog)
            args = USAGE.parse(parser, argv)
    except FerryError as error:
        print_message(f"{prog}: {error}")
        print_message(f"{prog}: nothing was written")
        return 1
    if args.to and args.dst and (misuse := _another_frameworks_keys(args.to, args.dst.suffix)):
        parser.error(misuse)
    with terminable():
        try:
            return _run_to_an_end(args, prog)
        except WrongUsage as error:
            parser.error(str(error))


def _another_frameworks_keys(to: str, suffix: str) -> str:
    """What to say of a suffix that stands for no container of the framework whose keys they are; "" where it does."""
    frameworks, container = target_named(to).frameworks, WRITTEN_AS.get(suffix)
    if container is None or set(frameworks) & set(container.frameworks):
        return ""
    suffixes = either(usual_suffixes(frameworks[0]))
    others = [target.name for target in TARGETS if set(target.frameworks) & set(container.frameworks)]
    return (
        f"--to {to} is for a {PROPER_NAMES[frameworks[0]]} target, {suffixes}; "
        f"a {suffix} takes --to {either(others)}, and has the official keys without it"
    )


def _run_to_an_end(args: argparse.Namespace, prog: str) -> int:
    before = identity_of(args.dst)

    def outcome() -> str:
        # The target is only ever replaced as a whole, whatever happened before or after.
        return "nothing was written" if identity_of(args.dst) == before else f"{args.dst} is complete"

    try:
        with shortages():
            return _run(args, prog)
    except WrongUsage:
        raise
    except OutputError as error:
        print_message(f"{prog}: {error}")
        return 1
    except FerryError as error:
        print_message(f"{prog}: {error}")
        if isinstance(error, RefusedCheckpoint):
            print_message(f"{prog}: {AFTER_REFUSAL}")
        print_message(f"{prog}: {outcome()}")
        return 1
    except KeyboardInterrupt as error:
        print_message(f"\n{prog}: {word_of(error)}; {outcome()}")
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
    spec = _table_spec(args.table) if args.table else None
    options = Options(args.weights, args.to, args.dtype, args.num_classes, args.strip_prefix, args.merge)
    located = locate(args.src, sha256=args.sha256)
    if located.fetched:
        print_message(located.line())
    with located.forgotten_if_bad():
        job = Job.read(spec or args.arch or located.arch, located.path, options)
        _carry_over(job, args, prog)
    return 0


def _table_spec(path: Path) -> TableSpec:
    from convert.tables import TableSpec, read_table

    return TableSpec.of(read_table(path))


def _carry_over(job: Job, args: argparse.Namespace, prog: str) -> None:
    from convert import summary

    framework = job.target_framework(args.dst.suffix if args.dst else "")
    if args.plan:
        print_result(summary.plan(job, framework))
        return
    conversion = job.write(args.dst, force=args.force, digest=args.json)
    if conversion.note:
        print_message(f"{prog}: {conversion.note}")
    if args.json:
        print_result(summary.as_json(job, framework, conversion))
    else:
        print_result(joined([*summary.text_lines(job, framework), summary.written_line(conversion, framework)]))


def make_parser(prog: str = "convert") -> argparse.ArgumentParser:
    """The command's arguments."""
    from convert.version import __version__  # a foreign `convert` has none, so not before main has looked

    parser = Parser(
        prog=prog,
        description="Carry the weights of a ConvNeXt, a ResNeXt, or a network by its table between PyTorch and Paddle. "
        "Nothing that a checkpoint carries is run, and every tensor is accounted for before anything is written.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(parser)
    _add_values(parser)
    parser.add_argument("--version", action="version", version=f"paddleferry {__version__}")
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--src",
        metavar="FILE",
        help=f"checkpoint: {', '.join(source_suffixes())}; or a published one's name or address",
    )
    parser.add_argument("--sha256", default="", metavar="DIGEST", help="digest that a downloaded checkpoint must have")
    suffixes = ", ".join(reversed(usual_suffixes()))
    parser.add_argument("--dst", type=Path, metavar="FILE", help=f"target: {suffixes}")
    parser.add_argument(
        "--arch",
        default="",
        metavar="NAME",
        help="architecture; read off the tensors if left out (own: whatever network they are)",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="parameter table of a network that --list does not have: .toml, .json",
    )
    parser.add_argument("--plan", action="store_true", help="print the whole mapping and write nothing")
    parser.add_argument(
        "--list", action="store_true", help="print the architectures, and the published checkpoints' names"
    )
    parser.add_argument("--force", action="store_true", help="replace the target if it exists")
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON, with digests of both files and of the tensors"
    )


def _add_values(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", default="", metavar="PATH", help="which state dict, where the file holds several: model_ema"
    )
    parser.add_argument(
        "--strip-prefix",
        default="",
        metavar="P",
        help="take the tensors whose keys begin with P, without it, where only some do: backbone.",
    )
    parser.add_argument(
        "--to",
        default="",
        choices=TARGET_NAMES,
        metavar="FORMAT",
        help=f"whose keys the target has: {', '.join(TARGET_NAMES)}; the last two's are for Paddle",
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
        type=not_negative,
        default=None,
        metavar="N",
        help="give a backbone, or another head, a new head of N; 0 leaves the head out",
    )
    parser.add_argument(
        "--merge",
        action="store_true",
        help="merge a RepLKNet's kernels and batch norms into one convolution each; cannot be taken back",
    )
