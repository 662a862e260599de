"""What stands in a report's folder already: an earlier report, which a new one replaces, or somebody's own file."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from convert.errors import TargetError
from convert.paths import AnyPath

HEAD, TAIL = 1 << 20, 64  # bytes; Markdown, whose end tells the most, is under 65,536 characters
FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
ELSEWHERE = "take another --report folder"

# How each file begins, and how it ends; it has done so since 0.1.0.
MARKS = {
    "report.html": (
        r'<!doctype html>\n.*?(?:<meta name="generator" content="paddleferry|<p class="of">paddleferry verify)',
        "</html>",
    ),
    "report.json": (
        r'\{\n  "schema_version": \d+,\n  "ok": (?:true|false),\n  "headline": "(?:NOT )?VERIFIED: ',
        "\n}",
    ),
    "report.md": (r"## (?:NOT )?VERIFIED: \d+ .*?\n<details><summary>What was verified</summary>\n", "\n</details>"),
    "junit.xml": (
        r'<\?xml version="1\.0" encoding="utf-8"\?>\n<testsuites [^<>]*>\s*<testsuite name="paddleferry\.verify" ',
        "</testsuites>",
    ),
}


def check_folder(folder: AnyPath) -> None:
    """Looks whether a report can be put there, and touches nothing.

    Raises:
        TargetError: it is no folder, or holds something of a report's name that paddleferry did not write; a line
            each.
    """
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):  # noqa: PTH116 - any path
            raise TargetError(f"{folder}: cannot be made into a folder for the report: File exists")
    except FileNotFoundError:
        if os.path.islink(folder):  # noqa: PTH114 - any path
            raise TargetError(f"{folder}: is a link to nothing; make the folder that it names") from None
        return
    except (OSError, ValueError) as error:
        raise TargetError(f"{folder}: cannot be made into a folder for the report: {_reason(error)}") from error
    objections = (find_objection(Path(folder, name)) for name in MARKS)
    if lines := [objection for objection in objections if objection]:
        raise TargetError(*lines)


def find_objection(path: Path) -> str:
    """Why a report may not take that file's place; empty if it may."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            ours = _is_ours(path)
            return "" if ours else f"{path}: was not written by paddleferry and stays as it is; {ELSEWHERE}"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: cannot be read, so that whose it is cannot be told: {_reason(error)}; {ELSEWHERE}"
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link"}
    return f"{path}: is {kinds.get(stat.S_IFMT(mode), 'no regular file')} and stays as it is; {ELSEWHERE}"


def _is_ours(path: Path) -> bool:
    begins, ends = MARKS[path.name]
    with os.fdopen(os.open(path, FLAGS), "rb") as file:
        head = file.read(HEAD)
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        tail = file.read(TAIL)
    begun = re.match(begins, head.decode(errors="replace").replace("\r\n", "\n"), re.DOTALL)
    return bool(begun) and tail.decode(errors="replace").rstrip().endswith(ends.strip())


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
