"""Files that a library parses, read in a process of their own whose memory and processor time are limited.

A library's reader may believe a number that stands in the file, or end the whole process at a damaged one. Here neither
can reach further than to that process, and what became of it is one error that names the file.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.errors import shown
from verify.datasets.items import DatasetError

# What the libraries raise for damaged files, beside errors of their own kind that are subclasses of these.
PARSER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # RecursionError and NotImplementedError too
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
BASE_MEGABYTES = 80  # beyond the library itself; an ordinary row group or meta.mat needs less than half of it
BASE_SECONDS = 30
BYTES_A_SECOND = 20_000_000  # a tenth of what pyarrow reads on one slow core

# The modules of the working folder are none of ours: -I keeps them out until the parent's own path stands.
BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from verify.datasets.limited import main; main()"


@dataclass(frozen=True)
class Parsed:
    """A file that a library is to read.

    Attributes:
        task: "module:function" of this project; it gets the content and the arguments, and returns what JSON can hold.
        where: the file, for messages.
        nbytes: of the file; memory and time may grow with it.
        fault: what is said of a file that the library refuses, before the library's own words.
        advice: what to do about a file that needs too much memory or time.
    """

    task: str
    where: str
    nbytes: int
    fault: str
    advice: str = "fetch it again"

    @property
    def megabytes(self) -> int:
        """How much memory reading may take: pages lie there packed, unpacked and once more as values."""
        return BASE_MEGABYTES + (4 * self.nbytes >> 20)

    @property
    def seconds(self) -> int:
        """How much processor time reading may take."""
        return BASE_SECONDS + self.nbytes // BYTES_A_SECOND


def read_limited(parsed: Parsed, *arguments: str | bool, content: bytes | None = None) -> Any:
    """What the task returns.

    Args:
        parsed: the file and the task.
        arguments: of the task.
        content: the file's bytes where they are at hand; they come before the arguments.

    Raises:
        DatasetError: the task's own; or the file is damaged, or needs more memory or time than one of its size may.
    """
    request = json.dumps([parsed.task, parsed.megabytes, parsed.seconds, content is not None, *arguments])
    command = [sys.executable, "-I", "-c", BOOT, json.dumps(sys.path), request]
    # One arena, and Arrow's memory by malloc: address space that is reserved and never used would count too.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    try:
        done = subprocess.run(command, input=content or b"", capture_output=True, env=environment, check=False)  # noqa: S603 - our own code
    except OSError as error:
        raise DatasetError(f"{parsed.where}: its reader cannot be started: {error.strerror}") from error
    if done.returncode < 0:
        raise DatasetError(f"{parsed.where}: {_explain_end(parsed, signal.Signals(-done.returncode))}")
    if done.returncode:
        raise RuntimeError(f"the reader of {parsed.where} failed:\n{done.stderr.decode(errors='replace')}")
    kind, reply = json.loads(done.stdout.splitlines()[-1])
    if kind == "answer":
        return reply
    raise DatasetError(reply if kind == "error" else f"{parsed.where}: {_explain_refusal(parsed, kind, reply)}")


def _explain_end(parsed: Parsed, signal_: signal.Signals) -> str:
    if signal_ == signal.SIGXCPU:
        return f"takes more than {parsed.seconds:,} s to read, and has {parsed.nbytes:,} bytes; {parsed.advice}"
    if signal_ == signal.SIGABRT:  # what C++ does where memory is short and nobody asked
        return f"is damaged, or {_explain_need(parsed)}"
    return f"its reader was ended by {signal_.name}: the file is damaged, or memory was short; {parsed.advice}"


def _explain_refusal(parsed: Parsed, kind: str, reply: str) -> str:
    return _explain_need(parsed) if kind == "memory" else f"{parsed.fault}: {reply}"


def _explain_need(parsed: Parsed) -> str:
    needs = f"needs more than {parsed.megabytes:,} MB of memory to read, and has {parsed.nbytes:,} bytes"
    return f"{needs}; {parsed.advice}"


def main() -> None:
    """What the process does: it writes one line of JSON, the kind of its reply and the reply."""
    task, megabytes, seconds, has_content, *arguments = json.loads(sys.argv[2])
    output = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no reply
    if has_content:
        arguments.insert(0, sys.stdin.buffer.read())
    reply = _reply(task, megabytes, seconds, arguments)
    with os.fdopen(output, "wb") as stream:
        stream.write(b"\n" + json.dumps(reply).encode() + b"\n")


def _reply(task: str, megabytes: int, seconds: int, arguments: list[Any]) -> tuple[str, Any]:
    module, _, name = task.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        return "error", f"{error.name} is not installed; pip install 'paddleferry[cpu]'"
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_CORE, 0)
    limit_memory(megabytes)
    try:
        return "answer", function(*arguments)
    except DatasetError as error:
        return "error", str(error)
    except MemoryError:
        return "memory", ""
    except PARSER_ERRORS as error:
        return "refused", first_line(error)
    finally:
        limit_memory(None)


def limit_memory(megabytes: int | None) -> None:
    """Lets this process have so much more memory than it has now, and no more; None takes the limit back.

    Where the system does not tell what a process has, nothing is limited.
    """
    if megabytes is None:
        _limit(resource.RLIMIT_AS, None)
        return
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + (megabytes << 20))


def _limit(kind: int, amount: int | None) -> None:
    """Sets a limit, never above one that the user has set; None takes it back to that."""
    _, hard = resource.getrlimit(kind)
    soft = hard if amount is None else amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    with suppress(ValueError, OSError):  # a system that has no such limit
        resource.setrlimit(kind, (soft, hard))


def first_line(error: BaseException) -> str:
    """A library's own words on one line; its kind of error where it has none."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    return shown(text, 200) or type(error).__name__
