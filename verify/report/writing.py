"""The files of a report."""

from __future__ import annotations

from pathlib import Path

from convert.checkpoints.atomic import write_atomically
from convert.errors import TargetError
from convert.paths import AnyPath
from verify.report.document import as_json
from verify.report.html import as_html
from verify.report.junit import as_junit
from verify.report.markdown import as_markdown
from verify.result import Result

FILES = ("report.html", "report.json", "report.md", "junit.xml")


def write_reports(result: Result, folder: AnyPath) -> None:
    """Writes report.html, report.json, report.md and junit.xml into the folder, each whole or not at all.

    Args:
        result: what was found.
        folder: must exist.

    Raises:
        TargetError: a file cannot be written.
    """
    texts = (as_html(result), as_json(result) + "\n", as_markdown(result), as_junit(result))
    for name, text in zip(FILES, texts, strict=True):
        write_atomically(Path(folder, name), [text.encode("utf-8", "backslashreplace")], force=True, digest=False)


def remove_reports(folder: AnyPath) -> None:
    """Removes what an earlier run left in the folder, so that it cannot be taken for this one's.

    Raises:
        TargetError: one of the names cannot be removed.
    """
    for name in FILES:
        path = Path(folder, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise TargetError(f"{path}: cannot be replaced: {error.strerror}") from error
