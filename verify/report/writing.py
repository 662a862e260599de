"""The files of a report."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from convert.checkpoints.atomic import write_atomically
from convert.errors import TargetError
from convert.paths import NO_PATH, AnyPath, is_possible, make_folders
from verify.report.document import as_json
from verify.report.earlier import find_objection
from verify.report.html import as_html
from verify.report.junit import as_junit
from verify.report.markdown import as_markdown
from verify.result import Result

FORMS: dict[str, Callable[[Result], str]] = {
    "report.html": as_html,
    "report.json": lambda result: f"{as_json(result)}\n",
    "report.md": as_markdown,
    "junit.xml": as_junit,
}


def write_reports(result: Result, folder: AnyPath) -> None:
    """Writes report.html, report.json, report.md and junit.xml into the folder, each whole or not at all.

    Each takes the place of an earlier report's as soon as it is complete, and of nothing else.

    Args:
        result: what was found.
        folder: must exist.

    Raises:
        TargetError: files cannot be written, a line each; the others are there all the same.
    """
    failures = []
    for name, make in FORMS.items():
        try:
            _write(Path(folder, name), make(result))
        except TargetError as error:
            failures.append(str(error))
        except OSError as error:  # the page's plots need a folder for matplotlib's cache
            failures.append(f"{Path(folder, name)}: cannot be made: {error.strerror or error}")
    if failures:
        raise TargetError(*failures)


def make_folder(folder: AnyPath) -> None:
    """Makes the folder where it does not exist.

    Raises:
        TargetError: it cannot be made, or written to.
    """
    if not is_possible(folder):
        raise TargetError(f"{folder}: {NO_PATH}")
    try:
        make_folders(Path(folder))
    except OSError as error:
        raise TargetError(f"{folder}: cannot be made into a folder for the report: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetError(f"{folder}: may not be written to; take another --report folder")


def _write(path: Path, text: str) -> None:
    if objection := find_objection(path):  # hours may have gone by since the folder was looked at
        raise TargetError(objection)
    try:
        write_atomically(path, [text.encode("utf-8", "backslashreplace")], force=True, digest=False)
    except TargetError as error:
        stale = "; what stands there is an earlier run's" if path.exists() else ""
        raise TargetError(f"{error}{stale}") from error
