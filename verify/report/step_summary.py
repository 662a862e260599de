"""What a verification found, on the summary page of a GitHub workflow's step."""

from __future__ import annotations

from convert.errors import FerryError
from convert.paths import AnyPath
from convert.regular import open_regular
from verify.report.markdown import as_markdown
from verify.report.phrases import headline
from verify.result import Result

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # the environment variable that names the file
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands: 1 MiB a step, or none is shown.
MAX_BYTES = 1 << 20


class StepSummaryError(FerryError):
    """The step's summary cannot be written. The verdict stands all the same."""


def append_step_summary(result: Result, path: AnyPath) -> None:
    """Appends the result's Markdown to what earlier commands of the step wrote, the headline alone if no more fits.

    Raises:
        StepSummaryError: the file cannot be written, or is so full that GitHub would drop it.
    """
    try:
        with open_regular(path, "ab") as file:
            room = MAX_BYTES - file.tell()
            for text in (as_markdown(result), f"## {headline(result)}\n"):
                content = f"\n{text}".encode("utf-8", "backslashreplace")
                if len(content) <= room:
                    file.write(content)
                    return
    except OSError as error:
        raise StepSummaryError(f"${STEP_SUMMARY}, {path}: cannot be written: {error.strerror}") from error
    raise StepSummaryError(f"${STEP_SUMMARY}, {path}: holds {MAX_BYTES - room:,} bytes, GitHub shows {MAX_BYTES:,}")
