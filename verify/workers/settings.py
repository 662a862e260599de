"""What a worker process sets before its framework is loaded; it decides how fast a CPU computes.

Both frameworks take their temporary tensors from malloc, which hands every large one back to the system when it is
freed, so that each layer pays for fresh pages. A worker lives for its forward passes: it keeps them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read by the math libraries when a framework is loaded. Paddle's runs one thread unless it is told otherwise.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# mallopt's, of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def settle_process(framework: str, threads: int) -> dict[str, str]:
    """Sets this process up for one framework; to be called before that is imported.

    Args:
        framework: "torch" or "paddle".
        threads: of its math. They stay as many for the life of the process: another number may give other bits.

    Returns:
        What was set, by name: environment variables, and "malloc" where freed memory is kept.
    """
    settings = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"MKL_DYNAMIC": "FALSE"}
    if framework == "paddle" and _is_avx2_without_intel():
        # Paddle carries the MKL of 2019, which takes its slowest kernels on a processor that is not Intel's unless it
        # is told the generation; 5 stands for AVX2. A user's own choice stays.
        settings["MKL_DEBUG_CPU_TYPE"] = os.environ.get("MKL_DEBUG_CPU_TYPE", "5")
    os.environ.update(settings)
    return settings | ({"malloc": "keeps what is freed"} if _keep_freed_memory() else {})


def keep_out_of_the_output() -> None:
    """Lets nothing of this process reach standard output, which is the command's: Paddle's engine writes there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@contextlib.contextmanager
def no_folder_needed() -> Iterator[None]:
    """Has `os.makedirs` pass over what cannot be made, and a folder for temporary files be named where there is none.

    On import Paddle makes a folder for data sets in the home, or else among temporary files. Nothing here uses it, and
    a home may be read-only, be /dev/null or not be there.
    """
    make, temporary = os.makedirs, tempfile.tempdir
    try:
        tempfile.gettempdir()
    except OSError:
        tempfile.tempdir = os.devnull

    def try_to_make(*args: Any, **options: Any) -> None:
        with contextlib.suppress(OSError):
            make(*args, **options)

    os.makedirs = try_to_make
    try:
        yield
    finally:
        os.makedirs, tempfile.tempdir = make, temporary


def _is_avx2_without_intel() -> bool:
    with contextlib.suppress(OSError):  # there on Linux alone; elsewhere Paddle has no MKL, or the default stays
        fields = [line.partition(":") for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines()]
        facts = {name.strip(): value.split() for name, _, value in fields}
        return facts.get("vendor_id", ["GenuineIntel"]) != ["GenuineIntel"] and "avx2" in facts.get("flags", [])
    return False


def _keep_freed_memory() -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # glibc alone has it
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))
