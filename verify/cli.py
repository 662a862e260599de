"""The `verify` command."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convert.console import OutputError, print_message, print_result, settle_streams
from convert.endings import shortages, status_of, terminable, word_of
from convert.errors import FerryError, TargetError, WrongUsage
from convert.regular import scratch_folder
from verify import sample
from verify.pairing.model_options import model_named
from verify.recipes.choose import Overrides, named_protocol, own_protocol
from verify.recipes.listing import recipe_table, recipes_as_json
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import get_recipe
from verify.store.facts import EAGER
from verify.usage import USAGE, make_parser

if TYPE_CHECKING:
    from convert.tables.table import ModelName
    from verify.options import Options
    from verify.result import Result
    from verify.selftest.command import Selftest
    from verify.workers.compute import Compute


def main(argv: list[str] | None = None, *, prog: str = "verify") -> int:
    """Runs the command; returns the exit status 0 or 1. Wrong usage leaves through argparse with 2.

    Args:
        argv: its arguments; those of the process without it.
        prog: what the user called it by, for usage, messages and the command in the report.
    """
    settle_streams()
    with terminable():
        return _run_to_an_end(argv, prog)


def _run_to_an_end(argv: list[str] | None, prog: str) -> int:
    parser = make_parser(prog)
    args = USAGE.parse(parser, argv)
    args.prog = prog
    if args.list_recipes:
        print_result(recipes_as_json() if args.json else recipe_table())
        return 0
    command = shlex.join([*prog.split(), *(sys.argv[1:] if argv is None else argv)])
    try:
        with shortages():
            if args.selftest:
                return _selftest(args)
            return _merge(args, command) if args.merge else _run(args, _overrides(args), command)
    except WrongUsage as error:
        parser.error(str(error))
    except FerryError as error:
        print_message(f"{prog}: {error}")
        return 1
    except KeyboardInterrupt as error:
        print_message(f"\n{prog}: {error if error.args else f'{word_of(error)}; no verdict'}")
        return status_of(error)


def _run(args: argparse.Namespace, overrides: Overrides, command: str) -> int:
    from verify.run import verify  # numpy and Pillow load here, not for --help

    with scratch_folder() if args.sample else nullcontext() as scratch:
        result = verify(_options(args, overrides, scratch))
        return _hand_over(replace(result, command=command), args)


def _merge(args: argparse.Namespace, command: str) -> int:
    from verify.report import check_folder, make_folder
    from verify.result import merge_runs

    if args.report:
        check_folder(args.report)
    result = merge_runs(args.merge)
    if args.report:
        make_folder(args.report)
    return _hand_over(replace(result, command=command), args)


def _selftest(args: argparse.Namespace) -> int:
    from verify.selftest.command import as_json, as_text, selftest
    from verify.workers.compute import Compute

    # Networks this small are no work for two threads, which would only wait for each other.
    compute = Compute(device=args.device, threads=args.threads or 1, tf32=args.tf32, pythons=args.python or ())
    strange = args.table or args.torch or args.paddle
    result = _selftest_of_table(args, compute) if strange else selftest(compute)
    print_result(as_json(result) if args.json else as_text(result))
    return 0 if result.ok else 1


def _selftest_of_table(args: argparse.Namespace, compute: Compute) -> Selftest:
    from verify.pairing.stranger import Strangers
    from verify.selftest.table_command import selftest_table

    if not args.table:
        raise WrongUsage("--selftest needs --table where --torch or --paddle is given: give it, or leave them out")
    return selftest_table(Strangers.read(args.table, _models(args)), compute)


def _models(args: argparse.Namespace) -> dict[str, ModelName | None]:
    """Framework to the model that its options name."""
    return {
        "torch": model_named(args.torch, args.torch_arg, args.torch_setup),
        "paddle": model_named(args.paddle, args.paddle_arg, args.paddle_setup),
    }


def _hand_over(result: Result, args: argparse.Namespace) -> int:
    """Prints the verdict first, so that no failure to write it down can lose it; each failure is said, and gives 1."""
    from verify.report import as_json, as_text, write_reports

    failures: list[FerryError] = []
    try:
        print_result(as_json(result) if args.json else as_text(result))
    except OutputError as error:
        failures.append(error)
    try:
        if args.report:
            write_reports(result, args.report)
    except TargetError as error:
        failures.append(error)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"{word_of(error)}; the verdict stands above, the report is not complete") from error
    _summarise_step(result, args.prog)
    for failure in failures:
        print_message(f"{args.prog}: {failure}")
    return 1 if failures or not result.ok else 0


def _summarise_step(result: Result, prog: str) -> None:
    """Writes the summary that a GitHub workflow asks for; a failure is said, and does not touch the verdict."""
    from verify.report import STEP_SUMMARY, append_step_summary

    if path := os.environ.get(STEP_SUMMARY):
        try:
            append_step_summary(result, Path(path))
        except FerryError as error:
            print_message(f"{prog}: {error}")


def _options(args: argparse.Namespace, overrides: Overrides, scratch: Path | None) -> Options:
    from verify.datasets import Choice
    from verify.options import Options
    from verify.run import convert_sample
    from verify.why.question import SAMPLE
    from verify.workers.compute import CORES

    arch, src, dst, data = args.arch, args.src, args.dst, args.data
    models = _models(args)
    if scratch:  # --sample
        arch, src, dst, data = sample.ARCH, sample.CHECKPOINT, convert_sample(scratch), sample.IMAGES
    return Options(
        arch=arch,
        src=src,
        dst=dst,
        table=args.table,
        torch_model=models["torch"],
        paddle_model=models["paddle"],
        weights=args.weights,
        strip_prefix=args.strip_prefix,
        dst_weights=args.dst_weights,
        dst_strip_prefix=args.dst_strip_prefix,
        data=data,
        labelled=not args.unlabelled,
        choice=Choice(layout=args.layout, devkit=args.devkit, classes=args.classes),
        class_map=args.class_map,
        protocol=_default(args),
        named=args.recipe,
        overrides=overrides,
        report=args.report,
        batch_size=args.batch_size,
        shard=args.shard,
        decoders=args.workers or CORES,
        compute=_compute(args),
        layers=args.layers,
        gradients=args.gradients,
        why=args.why,
        expect=args.expect,
        why_sample=args.why_sample or SAMPLE,
    )


def _compute(args: argparse.Namespace) -> Compute:
    from verify.workers.compute import CORES, Compute

    if args.engine != EAGER and (args.table or args.paddle):
        raise WrongUsage(f"--engine {args.engine} is for our own networks: leave it out, or --table and --paddle")
    return Compute(
        device=args.device,
        threads=args.threads or CORES,
        tf32=args.tf32,
        engine=args.engine,
        pythons=args.python or (),
    )


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


def _default(args: argparse.Namespace) -> Protocol:
    return sample.PROTOCOL if args.sample else Protocol()
