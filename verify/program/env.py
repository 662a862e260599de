"""The `paddleferry env` command: what a bug report says of an environment. It names no path and no host."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import convert
from convert.console import Parser, json_text, print_result
from convert.errors import shown
from convert.ownership import DISTRIBUTION, find_claimants, is_ours
from convert.visible import joined

PACKAGES = (
    "numpy",
    "pillow",
    "tqdm",
    "shtab",
    "torch",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "timm",
    "jinja2",
    "matplotlib",
    "pyarrow",
    "scipy",
)
PATH_VARIABLES = ("PADDLEFERRY_CACHE",)
TIME_LIMIT = 120.0  # seconds for a framework to load and count; measured 2 to 6, and a cold network disk is slow

# Each is asked in a process of its own, and prints its CUDA and the names of the devices that it sees.
PROBES = {
    "torch": """
import json, torch
names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
print(json.dumps([torch.version.cuda, names]))
""",
    "paddle": """
import json, paddle
cuda = paddle.version.cuda() if paddle.device.is_compiled_with_cuda() else None
count = paddle.device.cuda.device_count() if cuda else 0
print(json.dumps([cuda, [paddle.device.cuda.get_device_name(number) for number in range(count)]]))
""",
}

Sections = dict[str, dict[str, str]]


def main(argv: list[str] | None = None, *, prog: str = "paddleferry env") -> int:
    """Prints the environment; returns the exit status 0. Wrong usage leaves through argparse with 2."""
    args = make_parser(prog).parse_args(argv)
    sections = describe_environment()
    print_result(json_text(sections) if args.json else as_text(sections))
    return 0


def make_parser(prog: str = "paddleferry env") -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog=prog,
        description="Print what a bug report needs: versions, machine, devices and PADDLEFERRY_ variables. "
        "No path and no host is named. Each framework is loaded in a process of its own, which takes seconds.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    return parser


def describe_environment(time_limit: float = TIME_LIMIT) -> Sections:
    """Everything that the command prints, by section and name.

    Args:
        time_limit: seconds that each framework has to answer in.
    """
    return {
        "paddleferry": _installation(),
        "system": _system(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cuda": _devices(time_limit),
        "variables": _variables(),
        "owners": {package: _owner(package) for package in ("convert", "verify")},
    }


def as_text(sections: Sections) -> str:
    """The sections one below the other, their values in one column."""
    width = max(len(name) for rows in sections.values() for name in rows)
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"  {name:<{width}}  {value}" for name, value in rows.items())]
        lines += [] if rows else ["  none"]
    return joined(lines)


def _installation() -> dict[str, str]:
    is_checkout = (Path(convert.__path__[0]).parent / "pyproject.toml").is_file()
    return {
        "version": convert.__version__ if is_ours("convert") else _version(DISTRIBUTION),
        "from": "checkout" if is_checkout else "installed",
    }


def _system() -> dict[str, str]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "os": " ".join((platform.system(), platform.release(), *platform.libc_ver())).strip(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:  # there on Linux alone
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return shown(models[0]) if models else platform.processor() or "unknown"


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"


def _version(name: str) -> str:
    try:
        return metadata.version(name) or "unknown"
    except metadata.PackageNotFoundError:
        return "not installed"


def _variables() -> dict[str, str]:
    """What is set for paddleferry; of a path only that it is."""
    ours = {name: value for name, value in sorted(os.environ.items()) if name.startswith("PADDLEFERRY_")}
    return {
        shown(name): "a path" if name in PATH_VARIABLES or re.search(r"[/\\~]", value) else shown(value)
        for name, value in ours.items()
    }


def _owner(package: str) -> str:
    claimants = ", ".join(f"{name} {version}" for name, version in find_claimants(package).items())
    if is_ours(package):
        return f"paddleferry; {claimants} has it too" if claimants else "paddleferry"
    return f"not paddleferry: {claimants or 'on no record'}"


def _devices(time_limit: float) -> dict[str, str]:
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda framework: _ask(framework, time_limit), PROBES)
        return dict(zip(PROBES, answers, strict=True))


def _ask(framework: str, time_limit: float) -> str:
    """What a framework answers in a process that may crash or hang."""
    if find_spec(framework) is None:
        return "not installed"
    try:
        child = subprocess.run(  # noqa: S603 - this interpreter, on a program that stands above
            [sys.executable, "-c", PROBES[framework]],
            env={**os.environ, "PYTHONSAFEPATH": "1"},  # a file in this folder is no framework
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {time_limit:g} s"
    if child.returncode < 0:
        return f"crashed: {signal.strsignal(-child.returncode)}"
    if child.returncode:
        told = child.stderr.splitlines() or [f"exit status {child.returncode}"]
        return f"failed: {_without_paths(told[-1])}"
    with contextlib.suppress(ValueError, IndexError):
        cuda, names = json.loads(child.stdout.splitlines()[-1])
        built = f"built for CUDA {cuda}" if cuda else "built without CUDA"
        return f"{', '.join(names) or 'no device'}; {built}"
    return "loaded, and gave no answer"


def _without_paths(text: str) -> str:
    """The message, in which no more is left of an absolute path than its last part."""
    home = [os.environ[name] for name in ("HOME", "USERPROFILE") if name in os.environ]
    folders = {*home, *sys.path, sys.prefix, sys.base_prefix, str(Path.cwd())} - {"", "/"}
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(folder, "")
    # A folder's name may have blanks in it, so that words between two paths may go as well.
    beginning, middle = r"(?<!\w)(?:~?/|[A-Za-z]:[/\\]|\\\\)", r"(?:[^:'\"(]*[/\\](?=[^/\\]))?"
    return shown(re.sub(beginning + middle, "", text), 200)
