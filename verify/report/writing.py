"""The files of a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convert.checkpoints.atomic import write_atomically
from convert.errors import TargetError
from convert.paths import AnyPath
from verify.report.document import as_json
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

    Args:
        result: what was found.
        folder: must exist.

    Raises:
        TargetError: files cannot be written, a line each; the others are there all the same.
    """
    failures = []
    for name, make in FORMS.items():
        try:
            content = make(result).encode("utf-8", "backslashreplace")
            write_atomically(Path(folder, name), [content], force=True, digest=False)
        except TargetError as error:
            failures.append(str(error))
        except OSError as error:  # the page's plots need a folder for matplotlib's cache
            failures.append(f"{Path(folder, name)}: cannot be made: {error.strerror or error}")
    if failures:
        raise TargetError("\n".join(failures))


def remove_reports(folder: AnyPath) -> None:
    """Removes what an earlier run left in the folder, so that it cannot be taken for this one's.

    Raises:
        TargetError: one of the names cannot be removed.
    """
    for name in FORMS:
        path = Path(folder, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise TargetError(f"{path}: cannot be replaced: {error.strerror}") from error
