"""What a verification found: for a terminal, a pull request, a browser, programs and CI."""

from __future__ import annotations

from verify.report.document import as_json
from verify.report.earlier import check_folder
from verify.report.html import as_html
from verify.report.junit import as_junit
from verify.report.markdown import as_markdown
from verify.report.phrases import flip_line, headline
from verify.report.step_summary import STEP_SUMMARY, append_step_summary
from verify.report.text import as_text
from verify.report.writing import make_folder, write_reports

__all__ = [
    "STEP_SUMMARY",
    "append_step_summary",
    "as_html",
    "as_json",
    "as_junit",
    "as_markdown",
    "as_text",
    "check_folder",
    "flip_line",
    "headline",
    "make_folder",
    "write_reports",
]
